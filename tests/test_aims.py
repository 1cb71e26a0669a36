"""tests/aims.md says what tests/aims.json holds."""

from pathlib import Path

from benchmarks import aims
from benchmarks.aims import AIMS, FILE, Figures


def test_the_page_is_made_of_the_kept_figures():
    assert FILE.with_suffix(".md").read_text() == Figures().page()


def test_every_benchmark_of_the_page_has_a_figure():
    assert Figures().unmeasured() == []


def test_the_tests_that_measure_exist():
    folder = Path(aims.__file__).parent
    assert [test for aim in AIMS.values() for test in aim.tests if not (folder / test).exists()] == []


def test_a_new_figure_replaces_only_the_one_of_its_name(tmp_path, capsys):
    file = tmp_path / "aims.json"
    first = Figures(file, "test_start_up.py")
    assert "test_start_up.py" in first.unmeasured()
    first.note("start", "a Ray head that runs", 9.1, "slow")
    first.note("start", "Ray started by the job", 15, "as before")
    Figures(file).note("start", "a Ray head that runs", 6.123, "fast")
    assert "test_start_up.py" not in first.unmeasured()
    page = file.with_suffix(".md").read_text()
    assert "| a Ray head that runs | 6.12 | fast |" in page
    assert "| Ray started by the job | 15.00 | as before |" in page
    assert "slow" not in page
    assert "Start-up, a Ray head that runs: 6.12 (aim: 12, or" in capsys.readouterr().out

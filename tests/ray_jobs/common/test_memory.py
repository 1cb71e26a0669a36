"""How much memory a process may still take, as the machine and the groups that it is in tell it."""

import pytest

from ingest.common.memory import spare_memory

GB = 10**9


@pytest.fixture
def root(tmp_path):
    """A machine of 20 GB, of which 10 are free: Ray ends workers from 19 GB on."""
    write(tmp_path / "proc/meminfo", f"MemTotal: {20 * GB // 1024} kB\nMemAvailable: {10 * GB // 1024} kB\n")
    return tmp_path


def write(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(str(text))


def group(folder, limit, used, statistics, names=("memory.max", "memory.current")):
    for name, value in zip((*names, "memory.stat"), (limit, used, statistics), strict=True):
        write(folder / name, value)


def test_a_machine_has_what_it_has_free_without_what_ray_leaves(root):
    assert spare_memory(root) == pytest.approx(9 * GB, abs=2048)


def test_a_container_has_what_its_limit_leaves_and_what_it_keeps_of_files(root):
    write(root / "proc/self/cgroup", "0::/\n")
    group(root / "sys/fs/cgroup", 8 * GB, 6 * GB, f"anon {4 * GB}\ninactive_file {GB}\nactive_file {GB}\n")
    assert spare_memory(root) == int(3.6 * GB)


def test_a_group_has_no_more_than_those_that_it_is_in(root):
    write(root / "proc/self/cgroup", "0::/jobs/one\n")
    group(root / "sys/fs/cgroup/jobs/one", "max", GB, "")
    group(root / "sys/fs/cgroup/jobs", 4 * GB, 2 * GB, "")
    assert spare_memory(root) == int(1.8 * GB)


def test_groups_of_the_first_version_have_limits_too(root):
    write(root / "proc/self/cgroup", "5:cpu:/\n4:memory:/one\n")
    names = ("memory.limit_in_bytes", "memory.usage_in_bytes")
    group(root / "sys/fs/cgroup/memory/one", 4 * GB, 3 * GB, f"inactive_file {GB}\n", names)
    assert spare_memory(root) == int(1.8 * GB)


def test_an_exhausted_machine_has_none(root):
    write(root / "proc/meminfo", f"MemTotal: {20 * GB // 1024} kB\nMemAvailable: {GB // 2048} kB\n")
    assert spare_memory(root) == 0


def test_a_system_that_does_not_tell_is_not_guessed_at(tmp_path):
    assert spare_memory(tmp_path) is None

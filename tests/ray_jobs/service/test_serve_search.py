"""The service on a real Ray head, from its deployment over a killed replica and another model to its removal."""

import json
import shutil
import signal
from types import SimpleNamespace

import psutil
import pytest

from embedded.http import HttpError, request_json
from embedded.pdfs import DAYS, QUESTIONS, make_pdfs
from embedded.ports import free_ports
from embedded.processes import command_line, poll

pytestmark = pytest.mark.nightly

TOKEN = "token-of-the-search-service"
BEARER = {"Authorization": f"Bearer {TOKEN}"}
PREFIX = "served_"
SCRIPT = "serve_search.py"
SECONDS = 120.0


def replicas(ray_head):
    """The processes that answer, by id."""
    found = [process for process in psutil.process_iter() if "ServeReplica:search" in " ".join(command_line(process))]
    own = {process.pid for process in ray_head.members()}
    return {process.pid for process in found if process.pid in own}


@pytest.fixture(scope="module")
def world(jobs, plain_jobs, ray_head, object_store, minilm_path, tmp_path_factory):
    """What happened, in this order."""
    source = f"{object_store.bucket('ray-jobs-served')}/pdfs/"
    for name, data in make_pdfs(DAYS[0]).items():
        object_store.client().put_object(Bucket="ray-jobs-served", Key=f"pdfs/{name}", Body=data)
    folder = tmp_path_factory.mktemp("service")
    (folder / "tokens").write_text(TOKEN)
    (port,) = free_ports(1)
    url, question = f"http://127.0.0.1:{port}", QUESTIONS[0]
    ingest = ["--source", source, "--collection", PREFIX]
    deploy = ["--collection", PREFIX, "--http-port", str(port), "--num-cpus", "0.5"]
    token_file = ["--token-file", str(folder / "tokens")]

    def ask(path="/search", headers=BEARER, **fields):
        return request_json("POST", url + path, fields, headers)

    def state():
        return request_json("GET", f"{url}/readyz", headers=BEARER)

    made = SimpleNamespace(source=source, question=question, minilm=minilm_path)
    made.without_token = jobs.run(SCRIPT, *deploy)
    made.status_before = jobs.run(SCRIPT, "--status")
    made.ingested = jobs.run("ingest_pdfs.py", *ingest)
    made.deployed = jobs.run(SCRIPT, *deploy, *token_file)
    made.first = replicas(ray_head)
    made.ready = state()
    made.local = plain_jobs.run("search.py", "--collection", PREFIX, "--in", "pages", "--json", question.text)
    made.answer = ask(question=question.text, **{"in": "pages"})
    made.pictured = ask(question=question.text, thumbnails=True, limit=1)
    best = made.answer["hits"][0]["source"]
    made.similar = ask("/similar", source=best, limit=3)
    with pytest.raises(HttpError) as made.refused:
        ask(headers={}, question=question.text)
    remote = [*("search.py", "--service", url, "--json", question.text)]
    made.remote = ask_remotely(plain_jobs, remote)
    made.deployed_again = jobs.run(SCRIPT, *deploy, *token_file)
    made.kept = replicas(ray_head)
    made.as_job = jobs.run(SCRIPT, *deploy, *token_file, "--in", "pages", RAY_ADDRESS=ray_head.dashboard_url)
    poll(lambda: not replicas(ray_head) & made.kept, SECONDS, "the old replica does not end", 0.5)
    killed = replicas(ray_head)
    for pid in killed:
        psutil.Process(pid).send_signal(signal.SIGKILL)
    poll(lambda: replicas(ray_head) - killed and answers(ask, question), SECONDS, "no replica takes its place", 0.5)
    second = shutil.copytree(minilm_path, folder / "second")
    with (second / "config.json").open("a") as file:
        file.write("\n")
    made.second = str(second)
    made.migrated = jobs.run("ingest_pdfs.py", *ingest, "--embedding-model", made.second, "--migrate")
    poll(
        lambda: state()["searched"]["pages"]["model"] == made.second, SECONDS, "the model is not switched", interval=0.5
    )
    made.after_switch = ask(question=question.text)
    made.status = jobs.run(SCRIPT, "--status")
    made.removed = jobs.run(SCRIPT, "--remove")
    made.removed_again = jobs.run(SCRIPT, "--remove")
    made.left = replicas(ray_head)
    with pytest.raises(OSError) as made.gone:
        state()
    return made


def ask_remotely(jobs, command):
    """`search.py --service`, without the flags for models here."""
    from dataclasses import replace

    script, *flags = command
    return replace(jobs, flags=[], models={}).run(script, *flags, SEARCH_TOKEN=TOKEN)


def answers(ask, question):
    try:
        return ask(question=question.text)
    except HttpError:
        return None


def test_without_a_token_on_the_nodes_nothing_is_deployed(world):
    assert world.without_token.code == 2
    assert "the environment variable SEARCH_TOKEN has no token on the node" in world.without_token.error
    assert (world.status_before.code, "NOT_DEPLOYED" in world.status_before.stdout) == (4, True)


def test_the_service_is_ready_when_the_command_has_ended(world):
    assert world.deployed.code == 0, world.deployed.stderr
    report = world.deployed.report
    assert (report["status"], report["replicas"], report["ready"]) == ("RUNNING", 1, True)
    assert world.ready["searched"]["pages"]["model"] == world.minilm


def test_it_answers_as_the_command_line_does(world):
    assert world.answer == json.loads(world.local.stdout)
    assert world.answer["hits"][0]["source"].endswith(world.question.file)


def test_the_command_line_prints_its_answer(world):
    assert world.remote.code == 0, world.remote.stderr
    assert json.loads(world.remote.stdout)["hits"] == world.answer["hits"]
    assert "loading" not in world.remote.stderr


def test_a_hit_comes_with_its_thumbnail(world):
    assert world.pictured["hits"][0]["thumbnail"].startswith("data:image/jpeg;base64,")


def test_similar_objects_are_found(world):
    found = [each["source"] for each in world.similar["similar"]]
    assert len(found) == 3
    assert world.similar["source"] not in found


def test_a_request_without_the_token_is_refused(world):
    assert world.refused.value.status == 401


def test_the_same_command_again_changes_nothing(world):
    assert world.deployed_again.code == 0, world.deployed_again.stderr
    assert (len(world.first), world.kept) == (1, world.first)


def test_a_job_updates_it_and_leaves_it_running(world):
    assert world.as_job.code == 0, world.as_job.stderr
    assert (world.as_job.report["status"], world.as_job.report["ready"]) == ("RUNNING", True)


def test_another_model_is_taken_when_searches_are_switched_to_it(world):
    assert world.migrated.code == 0, world.migrated.stderr
    pages = [(hit["source"], hit["page"]) for hit in world.answer["hits"]]
    assert [(hit["source"], hit["page"]) for hit in world.after_switch["hits"]] == pages
    assert world.status.report["searched"]["pages"]["model"] == world.second


def test_nothing_is_left_of_a_removed_service(world):
    assert (world.removed.code, world.removed_again.code) == (0, 0)
    assert world.left == set()
    assert "refused" in str(world.gone.value)
    assert "there is no application 'search' on this cluster" in world.removed_again.stdout

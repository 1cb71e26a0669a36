"""The files in `.kubernetes`, checked without a cluster: their schema, and that what they name exists in this project.

A rule is a function from the files to the list of their faults. Each runs on the files of the repository, where it
must find nothing, and on broken copies (`MUTATIONS`). KubeRay's own schema is in no package, so SCHEMA has the fields
that are used; by hand, the file was also compared with that of KubeRay 1.7.0. The pods are compared with Kubernetes's
own schema where its package is installed: `uv run --with kubernetes-validate pytest -n 0 tests/test_kubernetes.py`.
"""

import importlib.metadata
import re
from collections.abc import Callable, Iterator
from typing import Any

import jsonschema
import pytest
import yaml

from deployment import ROOT, Deployment

FOLDER = ROOT / ".kubernetes"
Files = dict[str, str]
"""The texts of the files, by name."""
Rule = Callable[[Files], list[str]]

NAME, COUNT, SIZE = (
    {"type": "string", "minLength": 1},
    {"type": "integer", "minimum": 0},
    {"type": ["string", "integer"]},
)


def only(required: str, **properties: Any) -> dict[str, Any]:
    """The schema of an object with these properties and no others. required: names, separated by spaces."""
    return {
        "type": "object",
        "properties": properties,
        "required": required.split(),
        "additionalProperties": False,
    }


SECRET_KEY = only("secretKeyRef", secretKeyRef=only("name key", name=NAME, key=NAME))
RESOURCES = only(
    "requests limits",
    requests={"type": "object", "additionalProperties": SIZE},
    limits={"type": "object", "additionalProperties": SIZE},
)
CONTAINER = only(
    "name image env resources securityContext volumeMounts",
    name={"enum": ["ray-head", "ray-worker"]},
    image=NAME,
    ports={"type": "array"},
    env={"type": "array", "items": only("name", name=NAME, value={"type": "string"}, valueFrom=SECRET_KEY)},
    resources=RESOURCES,
    securityContext={"type": "object"},
    volumeMounts={"type": "array"},
)
TEMPLATE = only(
    "spec",
    spec=only(
        "containers securityContext",
        terminationGracePeriodSeconds=COUNT,
        securityContext={"type": "object"},
        tolerations={"type": "array"},
        containers={"type": "array", "items": CONTAINER, "minItems": 1, "maxItems": 1},
        volumes={"type": "array"},
    ),
)
PARAMS = {"type": "object", "additionalProperties": {"type": "string"}}  # KubeRay takes no numbers
SCHEMA = only(
    "apiVersion kind metadata spec",
    apiVersion={"const": "ray.io/v1"},
    kind={"const": "RayCluster"},
    metadata=only("name", name=NAME),
    spec=only(
        "rayVersion enableInTreeAutoscaling autoscalerOptions authOptions gcsFaultToleranceOptions headGroupSpec",
        rayVersion=NAME,
        enableInTreeAutoscaling={"const": True},
        autoscalerOptions=only(
            "version",
            version={"enum": ["v1", "v2"]},
            upscalingMode={"enum": ["Default", "Aggressive", "Conservative"]},
            idleTimeoutSeconds=COUNT,
            resources=RESOURCES | {"required": []},
        ),
        authOptions=only("mode secretName", mode={"const": "token"}, secretName=NAME),
        gcsFaultToleranceOptions=only(
            "redisAddress redisPassword", redisAddress=NAME, redisPassword=only("valueFrom", valueFrom=SECRET_KEY)
        ),
        headGroupSpec=only("rayStartParams template", rayStartParams=PARAMS, template=TEMPLATE),
        workerGroupSpecs={
            "type": "array",
            "items": only(
                "groupName replicas minReplicas maxReplicas rayStartParams template",
                groupName=NAME,
                replicas=COUNT,
                minReplicas=COUNT,
                maxReplicas=COUNT,
                rayStartParams=PARAMS,
                template=TEMPLATE,
            ),
        },
    ),
)


def documents(files: Files) -> Iterator[tuple[str, dict[str, Any]]]:
    for name, text in files.items():
        if name.endswith(".yaml"):
            yield from ((name, document) for document in yaml.safe_load_all(text))


def cluster(files: Files) -> dict[str, Any]:
    return yaml.safe_load(files["raycluster.yaml"])["spec"]


def groups(files: Files) -> list[dict[str, Any]]:
    return [cluster(files)["headGroupSpec"], *cluster(files)["workerGroupSpecs"]]


def containers(files: Files) -> list[dict[str, Any]]:
    return [group["template"]["spec"]["containers"][0] for group in groups(files)]


def secret_keys(node: Any) -> Iterator[tuple[str, str]]:
    """Every secret and key that a node of a document names."""
    if isinstance(node, dict):
        if "secretKeyRef" in node:
            yield node["secretKeyRef"]["name"], node["secretKeyRef"]["key"]
        for value in node.values():
            yield from secret_keys(value)
    elif isinstance(node, list):
        for value in node:
            yield from secret_keys(value)


def fits_the_schema(files: Files) -> list[str]:
    validator = jsonschema.Draft7Validator(SCHEMA)
    return [error.message for error in validator.iter_errors(yaml.safe_load(files["raycluster.yaml"]))]


def flags_exist(files: Files) -> list[str]:
    from ray.scripts.scripts import start

    known = {flag for parameter in start.params for flag in parameter.opts}
    return [flag for group in groups(files) for flag in group["rayStartParams"] if f"--{flag}" not in known]


def ports_are_listened_on(files: Files) -> list[str]:
    """Ray's ports are those of its head here and in docker-compose.yaml; 8080 is KubeRay's for metrics."""
    head = {port["containerPort"] for port in containers(files)[0]["ports"]}
    found = [] if head == {6379, 8265, 8080} else [f"the head has the ports {sorted(head)}"]
    redis = {port["port"] for _, d in documents(files) if d["kind"] == "Service" for port in d["spec"]["ports"]}
    service = next(d["metadata"]["name"] for _, d in documents(files) if d["kind"] == "Service")
    address = cluster(files)["gcsFaultToleranceOptions"]["redisAddress"]
    found += [] if address in {f"{service}:{port}" for port in redis} else [f"Redis is not at {address}"]
    for _, document in documents(files):
        if document["kind"] == "NetworkPolicy":
            opened = [port["port"] for rule in document["spec"]["ingress"] for port in rule.get("ports", [])]
            found += [f"{document['metadata']['name']} opens {port}" for port in opened if port not in head | redis]
    return found + ([] if ":8265`" in files["README.md"] else ["README has another port of the dashboard"])


def variables_are_those_of_compose(files: Files) -> list[str]:
    known = set(Deployment.of_the_repository().services["ray-worker"]["environment"])
    wanted = known - {"RAY_AUTH_MODE", "RAY_AUTH_TOKEN", "AWS_ENDPOINT_URL"}  # KubeRay's, and not for Amazon's store
    found = []
    for container in containers(files):
        names = {variable["name"] for variable in container["env"]}
        found += [f"{container['name']}: {name}" for name in names ^ wanted]
        found += [
            f"{container['name']}: {variable['name']} in clear"
            for variable in container["env"]
            if re.search("TOKEN|SECRET|KEY", variable["name"]) and "value" in variable
        ]
    return found


def secrets_are_made_by_readme(files: Files) -> list[str]:
    used = {key for _, document in documents(files) for key in secret_keys(document)}
    used |= {(cluster(files)["authOptions"]["secretName"], "auth_token")}  # the key that KubeRay reads
    lines = re.findall(r"kubectl create secret generic (\S+) (.*)", files["README.md"])
    made = {(name, key) for name, rest in lines for key in re.findall(r"--from-literal=([\w-]+)=", rest)}
    return [f"{name}/{key}: in one of the manifests and README" for name, key in used ^ made]


def paths_are_in_the_image(files: Files) -> list[str]:
    made = set(re.findall(r"install -d -o ray -g ray (\S+)", files["Dockerfile"]))
    found = [
        f"{container['name']}: {mount['mountPath']}"
        for container in containers(files)
        for mount in container["volumeMounts"]
        if mount["mountPath"] not in made
    ]
    for container in containers(files):
        for variable in container["env"]:
            path = variable.get("value", "")
            if path.startswith("/") and not any(path.startswith(f"{folder}/") for folder in made):
                found.append(f"{variable['name']}: {path}")
    for group in groups(files):
        spec = group["template"]["spec"]
        user = spec["securityContext"]["runAsUser"]
        found += [] if f"--uid {user} ray" in files["Dockerfile"] else [f"the image has no user {user}"]
        mounted = {mount["name"] for mount in spec["containers"][0]["volumeMounts"]}
        found += [f"volume {name}" for name in mounted ^ {volume["name"] for volume in spec["volumes"]}]
    return found


def the_image_is_that_of_compose(files: Files) -> list[str]:
    inline = Deployment.of_the_repository().services["ray-head"]["build"]["dockerfile_inline"]
    own = "".join(re.split(r"(?m)(?=^FROM )", files["Dockerfile"], maxsplit=1)[1:])
    return [] if own == inline else ["the Dockerfile differs from the one in docker-compose.yaml"]


def versions_match(files: Files) -> list[str]:
    ray = importlib.metadata.version("ray")
    found = [] if cluster(files)["rayVersion"] == ray else ["rayVersion"]
    images = {container["image"] for container in containers(files)}
    found += [image for image in images if not image.endswith(f"/airflow-ray-ingest-ray:{ray}")]
    for _, document in documents(files):
        if document["kind"] == "StatefulSet":
            pods = document["spec"]["template"]["spec"]["containers"]
            found += [pod["image"] for pod in pods if not re.search(r":\d+\.\d+\.\d+", pod["image"])]
    return found


def gpu_workers_begin_at_none(files: Files) -> list[str]:
    found = []
    for group in cluster(files)["workerGroupSpecs"]:
        if not group["minReplicas"] <= group["replicas"] <= group["maxReplicas"]:
            found.append(f"{group['groupName']}: replicas")
        limits = group["template"]["spec"]["containers"][0]["resources"]["limits"]
        if "nvidia.com/gpu" in limits and group["minReplicas"]:
            found.append(f"{group['groupName']}: {group['minReplicas']} GPUs that nobody asked for")
    return found


MUTATIONS: list[tuple[Rule, str, str, str]] = [
    (fits_the_schema, "raycluster.yaml", "enableInTreeAutoscaling", "enableInTreeAutoscaler"),
    (fits_the_schema, "raycluster.yaml", 'num-cpus: "0"', "num-cpus: 0"),
    (fits_the_schema, "raycluster.yaml", "mode: token", "mode: disabled"),
    (flags_exist, "raycluster.yaml", "object-store-memory", "object-memory"),
    (ports_are_listened_on, "raycluster.yaml", "containerPort: 8265", "containerPort: 8266"),
    (ports_are_listened_on, "raycluster.yaml", "redis:6379", "redis:6380"),
    (ports_are_listened_on, "network.yaml", "port: 8265", "port: 8000"),
    (variables_are_those_of_compose, "raycluster.yaml", "MILVUS_TOKEN", "MILVUS_KEY"),
    (
        variables_are_those_of_compose,
        "raycluster.yaml",
        "valueFrom: {secretKeyRef: {name: ray-ingest-milvus, key: token}}",
        "value: root",
    ),
    (secrets_are_made_by_readme, "raycluster.yaml", "key: access-key-id", "key: id"),
    (secrets_are_made_by_readme, "README.md", "generic ray-ingest-token", "generic ray-token"),
    (secrets_are_made_by_readme, "redis.yaml", "key: password", "key: secret"),
    (paths_are_in_the_image, "raycluster.yaml", "mountPath: /models", "mountPath: /cache"),
    (paths_are_in_the_image, "raycluster.yaml", "value: /models/cache", "value: /cache"),
    (paths_are_in_the_image, "raycluster.yaml", "runAsUser: 1000", "runAsUser: 1001"),
    (the_image_is_that_of_compose, "Dockerfile", "--extra worker", "--extra models"),
    (versions_match, "raycluster.yaml", 'rayVersion: "2.60.0"', 'rayVersion: "2.59.0"'),
    (versions_match, "raycluster.yaml", "ingest-ray:2.60.0", "ingest-ray:latest"),
    (versions_match, "redis.yaml", "redis:7.4.2-bookworm", "redis:7"),
    (gpu_workers_begin_at_none, "raycluster.yaml", "minReplicas: 0", "minReplicas: 1"),
]
RULES = list(dict.fromkeys(rule for rule, *_ in MUTATIONS))


@pytest.fixture(scope="module")
def files() -> Files:
    return {path.name: path.read_text() for path in FOLDER.iterdir()}


@pytest.mark.tier("parts")  # Ray's command is asked for its flags
@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_the_files_keep_the_rule(rule: Rule, files: Files) -> None:
    assert rule(files) == []


@pytest.mark.tier("parts")
@pytest.mark.parametrize(
    ("rule", "file", "old", "new"),
    MUTATIONS,
    ids=[f"{rule.__name__}-{number}" for number, (rule, *_) in enumerate(MUTATIONS)],
)
def test_the_rule_catches_a_broken_copy(rule: Rule, file: str, old: str, new: str, files: Files) -> None:
    assert old in files[file], "the mutation no longer applies"
    assert rule({**files, file: files[file].replace(old, new)}) != []


def test_kubernetes_itself_knows_every_field(files: Files) -> None:
    kubernetes = pytest.importorskip("kubernetes_validate", reason="without kubernetes-validate, pods were not checked")
    pods = [{"apiVersion": "v1", "kind": "PodTemplate", "template": group["template"]} for group in groups(files)]
    for document in [*pods, *(d for _, d in documents(files) if d["kind"] != "RayCluster")]:
        kubernetes.validate(document, kubernetes.latest_version(), strict=True)

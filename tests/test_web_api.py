"""The chat as programs see it: named endpoints with JSON in and out, by curl and by gradio_client."""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
import sys
import time
from base64 import b64encode
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Event
from typing import Any

import httpx
import jsonschema
import pytest
from gradio_client import Client, handle_file
from openapi_spec_validator import validate

from qa import QA
from qa.accounts import Accounts, hashed
from qa.errors import BadIndex, QAError
from qa.evaluation.questions import SEED_QUESTIONS, read_questions
from qa.uploads import MOST_UPLOADS
from qa.version import __version__
from qa.web import start
from tests.browsing import serving

pytestmark = pytest.mark.slow

QUESTION = "Who answered AFP by email?"
OKAPI = "The okapi lives in the Ituri forest. It was described in 1901 by Philip Sclater.\n"
FILE = {"_type": "gradio.FileData"}


@pytest.fixture(scope="module")
def qa(tmp_path_factory: pytest.TempPathFactory, seeds_index: Path, seeds_qa: QA) -> Iterator[QA]:
    """An index of the seeds that tests may add to, with models that are loaded already."""
    index = tmp_path_factory.mktemp("api") / "index"
    shutil.copytree(seeds_index, index)
    with QA.open(index) as qa:
        qa.embedder, qa.reader = seeds_qa.embedder, seeds_qa.reader
        yield qa


@pytest.fixture(scope="module")
def url(qa: QA) -> Iterator[str]:
    with serving(lambda: qa) as url:
        yield url


@pytest.fixture(scope="module")
def client(url: str) -> Client:
    return Client(url, verbose=False)


def call(url: str, endpoint: str, **more: Any) -> tuple[str, Any]:
    """An endpoint over plain HTTP: the event that comes back, "complete" or "error", and its data."""
    headers = more.pop("headers", {})
    begun = httpx.post(f"{url}/gradio_api/call/v2/{endpoint}", json=more, headers=headers, timeout=60)
    assert begun.status_code == 200, begun.text
    event = begun.json()["event_id"]
    told = httpx.get(f"{url}/gradio_api/call/{endpoint}/{event}", headers=headers, timeout=120).text
    *_, kind, data = [line for line in told.splitlines() if line]
    return kind.removeprefix("event: "), json.loads(data.removeprefix("data: "))


def curl(*arguments: str) -> str:
    return subprocess.run(["curl", "-sS", *arguments], capture_output=True, text=True, check=True).stdout


def test_a_question_is_answered_over_curl(url: str, qa: QA) -> None:
    endpoint = f"{url}/gradio_api/call/v2/ask"
    body = json.dumps({"question": QUESTION})
    event = json.loads(curl(endpoint, "-H", "Content-Type: application/json", "-d", body))["event_id"]
    told = curl("-N", f"{url}/gradio_api/call/ask/{event}")
    [answer] = json.loads(told.split("data: ")[-1])
    expected = qa.ask(QUESTION).to_dict()
    assert answer.pop("seconds").keys() == expected.pop("seconds").keys()
    assert answer == expected


def test_a_file_is_added_asked_and_removed_over_curl(url: str, qa: QA, tmp_path: Path) -> None:
    (tmp_path / "okapi over curl.txt").write_text(OKAPI)
    paths = json.loads(curl(f"{url}/gradio_api/upload", "-F", f"files=@{tmp_path}/okapi over curl.txt"))
    kind, [report] = call(url, "add_documents", files=paths)
    assert kind == "complete"
    assert report["added"] == ["uploads/okapi over curl.txt"]
    assert "Ituri" in call(url, "ask", question="Where does the okapi live?")[1][0]["text"]
    kind, [report] = call(url, "remove_document", document=report["added"][0])
    assert (kind, report["removed"]) == ("complete", 1)
    assert not list((qa.folder / "uploads").iterdir())


def test_the_client_adds_lists_reads_searches_and_removes(client: Client, qa: QA, tmp_path: Path) -> None:
    (tmp_path / "okapi.txt").write_text(OKAPI)
    (tmp_path / "broken.pdf").write_bytes(b"%PDF-1.7")
    files = [handle_file(tmp_path / "okapi.txt"), handle_file(tmp_path / "broken.pdf")]
    report = client.predict(files, api_name="/add_documents")
    assert report["added"] == ["uploads/okapi.txt"]
    assert report["skipped"][0]["file"] == "broken.pdf"
    assert "not a readable PDF" in report["skipped"][0]["reason"]

    listed = {info["id"]: info for info in client.predict(api_name="/documents")}
    assert listed.keys() == {info.id for info in qa.documents()}
    assert [id_ for id_, info in listed.items() if info["uploaded"]] == ["uploads/okapi.txt"]
    document = client.predict("uploads/okapi.txt", api_name="/document")
    assert (document["text"], document["sha256"]) == (OKAPI, listed["uploads/okapi.txt"]["sha256"])

    passages = client.predict("okapi", k=2, api_name="/search")
    assert passages[0]["document"] == "uploads/okapi.txt"
    assert OKAPI[passages[0]["start"] : passages[0]["end"]] == passages[0]["text"]
    assert passages[0]["title"] and len(passages) == 2

    assert client.predict("uploads/okapi.txt", api_name="/remove_document")["removed"] == 1
    assert len(client.predict(api_name="/documents")) == 5


def test_health_tells_loading_ready_and_failed_without_waiting(qa: QA) -> None:
    loaded = Event()

    def open_slowly() -> QA:
        loaded.wait()
        return qa

    def fail() -> QA:
        raise BadIndex("index is not an index; make one with: qa index FOLDER")

    begin = time.perf_counter()
    with serving(open_slowly, built=False) as url:
        assert httpx.get(url, timeout=5).status_code == 200
        assert time.perf_counter() - begin < 3
        assert call(url, "health")[1][0]["status"] == "loading"
        loaded.set()
        deadline = time.monotonic() + 30
        while (state := call(url, "health")[1][0])["status"] == "loading" and time.monotonic() < deadline:
            time.sleep(0.1)
        assert (state["status"], state["documents"]) == ("ready", 5)
        assert state["passages"] == qa.passage_count
    with serving(fail) as url:
        deadline = time.monotonic() + 30
        while (state := call(url, "health")[1][0])["status"] == "loading" and time.monotonic() < deadline:
            time.sleep(0.1)
        assert state["status"] == "failed"
        assert "qa index FOLDER" in state["reason"]
        assert [call(url, "health")[1][0]["status"] for _ in range(5)] == ["failed"] * 5


def test_the_description_names_every_endpoint_its_parameters_and_types(url: str) -> None:
    described = httpx.get(f"{url}/gradio_api/info").json()["named_endpoints"]
    names = {"ask", "search", "documents", "document", "add_documents", "remove_document", "health"}
    assert described.keys() == {f"/{name}" for name in names}
    assert all(endpoint["description"] for endpoint in described.values())
    parameters = {
        name: [(p["parameter_name"], p["parameter_has_default"]) for p in endpoint["parameters"]]
        for name, endpoint in described.items()
    }
    assert parameters["/ask"] == [
        ("question", False),
        ("history", True),
        ("k", True),
        ("documents", True),
        ("min_confidence", True),
    ]
    assert parameters["/search"] == [("question", False), ("k", True), ("documents", True)]
    assert parameters["/document"] == parameters["/remove_document"] == [("document", False)]
    assert described["/ask"]["parameters"][0]["type"] == {"type": "string"}
    assert described["/ask"]["returns"][0]["type"]["type"] == "object"
    assert described["/search"]["returns"][0]["type"]["type"] == "array"


def test_the_openapi_description_is_valid_and_says_what_must_be_given(url: str, qa: QA) -> None:
    told = httpx.get(f"{url}/gradio_api/openapi.json").json()
    validate(told)
    assert told["info"]["version"] == __version__
    names = {"ask", "search", "documents", "document", "add_documents", "remove_document", "health"}
    begun = {path.rpartition("/")[2]: way["post"] for path, way in told["paths"].items() if "post" in way}
    assert begun.keys() == names | {"upload"}
    ask = begun["ask"]["requestBody"]["content"]["application/json"]["schema"]
    assert (ask["required"], ask["properties"]["k"]) == (["question"], {"type": "integer", "default": 12})
    assert begun["ask"]["summary"].endswith("or why there are none.")
    for body in (
        {"question": QUESTION, "history": None},
        {"question": QUESTION, "history": [["Who sank it?", None]]},
        {"question": QUESTION, "k": 2, "documents": []},
    ):
        jsonschema.validate(body, ask)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({"k": 2}, ask)

    _, answer = call(url, "ask", question=QUESTION)
    [streamed] = told["paths"]["/gradio_api/call/ask/{event_id}"]["get"]["responses"]["200"][
        "content"
    ].values()
    jsonschema.validate(answer, streamed["schema"]["contentSchema"])
    with serving(lambda: qa, root_path="/library", read_only=True) as behind:
        told = httpx.get(f"{behind}/gradio_api/openapi.json").json()
        validate(told)
        assert told["servers"] == [{"url": "/library"}]
        assert not [path for path in told["paths"] if "add" in path or "upload" in path]


@pytest.mark.parametrize(
    ("endpoint", "wrong", "says"),
    [
        ("ask", {"question": 5}, "question is 5; expected a text"),
        ("ask", {"question": {"a": 1}}, "expected a text"),
        ("ask", {"question": None}, "expected a text"),
        ("ask", {"question": QUESTION, "k": "8"}, "k is '8'; expected a whole number"),
        ("ask", {"question": QUESTION, "k": True}, "k is True"),
        ("ask", {"question": QUESTION, "k": 10**9}, "expected 1 to 100 passages"),
        ("ask", {"question": QUESTION, "documents": "000"}, "expected a list of document ids"),
        ("ask", {"question": QUESTION, "documents": ["../../etc/passwd"]}, "No document '../../etc/passwd'"),
        ("ask", {"question": QUESTION, "min_confidence": 2}, "expected a number from 0 to 1"),
        ("ask", {"question": QUESTION, "min_confidence": "high"}, "expected a number from 0 to 1"),
        ("ask", {"question": QUESTION, "history": [["one"]]}, "not a list of [question, answer] pairs"),
        ("ask", {"question": QUESTION, "history": 5}, "not a list of [question, answer] pairs"),
        ("search", {"question": []}, "expected a text"),
        ("document", {"document": "../../etc/passwd"}, "No document"),
        ("document", {"document": 7}, "expected a text"),
        ("remove_document", {"document": "uploads/none.txt"}, "No document 'uploads/none.txt'"),
        ("add_documents", {"files": []}, "0 files were given"),
        ("add_documents", {"files": "x"}, "expected a list of uploaded files"),
        ("add_documents", {"files": [None]}, "None is no uploaded file"),
        ("add_documents", {"files": ["/etc/passwd"]}, "'/etc/passwd' is no uploaded file"),
        ("add_documents", {"files": ["/tmp/gradio/../../etc/passwd"]}, "is no uploaded file"),
        ("add_documents", {"files": [{"path": "/etc/passwd"}]}, "is no uploaded file"),
        ("add_documents", {"files": ["\0"]}, "is no uploaded file"),
    ],
)
def test_wrong_json_comes_back_as_one_sentence(
    url: str, endpoint: str, wrong: dict[str, Any], says: str
) -> None:
    kind, error = call(url, endpoint, **wrong)
    assert kind == "error"
    assert says in error["error"]
    assert "Traceback" not in json.dumps(error)


def test_a_file_of_this_machine_cannot_be_passed_off_as_an_upload(url: str, client: Client) -> None:
    kind, _ = call(url, "add_documents", files=[{"path": "/etc/passwd", "meta": FILE}])
    assert kind == "error"
    assert "etc/passwd" not in json.dumps(client.predict(api_name="/documents"))


def test_nothing_is_fetched_for_a_request_that_names_a_web_address(url: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as trap:
        trap.settimeout(1)
        address = f"http://127.0.0.1:{trap.getsockname()[1]}/x.txt"
        for name, body in (
            ("add_documents", {"files": [{"path": address, "meta": FILE}]}),
            ("ask", {"question": {"deep": [{"path": address, "meta": FILE}]}}),
        ):
            answer = httpx.post(f"{url}/gradio_api/call/v2/{name}", json=body)
            assert answer.status_code == 400
            assert "fetches nothing" in answer.text
        with pytest.raises(TimeoutError):
            trap.accept()


def test_too_many_too_large_and_endless_requests_are_refused(url: str) -> None:
    many = [("files", (f"{n}.txt", b"text")) for n in range(MOST_UPLOADS + 1)]
    refused = httpx.post(f"{url}/gradio_api/upload", files=many)
    assert (refused.status_code, f"At most {MOST_UPLOADS} files" in refused.text) == (413, True)
    large = httpx.post(f"{url}/gradio_api/upload", files={"files": ("a.txt", bytes(51 * 2**20))}, timeout=60)
    assert large.status_code == 413
    long = httpx.post(f"{url}/gradio_api/call/v2/ask", content=b'{"question": "' + b"x" * 5 * 2**20)
    assert long.status_code == 413
    pieces = (b"x" * 2**16 for _ in range(100))  # no length is announced
    assert httpx.post(f"{url}/gradio_api/call/v2/ask", content=pieces).status_code == 413


@pytest.mark.parametrize(
    "name", ["../../../escape.txt", "a'\"><img src=x onerror=1>.txt", "🦓.txt", "x" * 300 + ".txt"]
)
def test_hostile_file_names_stay_in_the_upload_folder(url: str, qa: QA, name: str) -> None:
    sent = httpx.post(f"{url}/gradio_api/upload", files={"files": (name, f"{OKAPI}{name}".encode())})
    assert sent.status_code == 200, sent.text
    kind, [report] = call(url, "add_documents", files=sent.json())
    assert kind == "complete"
    [document_id] = report["added"]
    assert Path(qa.document(document_id).path).parent == qa.folder / "uploads"
    assert call(url, "remove_document", document=document_id)[0] == "complete"


def test_a_read_only_server_offers_no_change_and_takes_no_file(qa: QA) -> None:
    with serving(lambda: qa, read_only=True) as url:
        names = httpx.get(f"{url}/gradio_api/info").json()["named_endpoints"]
        assert names.keys() == {"/ask", "/search", "/documents", "/document", "/health"}
        assert httpx.post(f"{url}/gradio_api/upload", files={"files": ("a.txt", b"x")}).status_code == 403
        assert httpx.put(f"{url}/upload?name=a.txt", content=b"x").status_code == 403
        body = {"document": "000_6ccbc2743614ce45.txt"}
        assert httpx.post(f"{url}/gradio_api/call/v2/remove_document", json=body).status_code >= 400
        assert call(url, "health")[1][0]["read_only"] is True
    assert len(qa.documents()) == 5


# Accounts


def authorization(user: str, password: str) -> dict[str, str]:
    return {"Authorization": f"Basic {b64encode(f'{user}:{password}'.encode()).decode()}"}


def test_accounts_are_asked_for_on_every_address(qa: QA, tmp_path: Path) -> None:
    (tmp_path / "accounts").write_text(f"# who may ask\n\nmira:{hashed('säsam öffne: dich')}\n")
    with serving(lambda: qa, accounts=Accounts.read(tmp_path / "accounts")) as url:
        for address in (
            *("", "/config", "/gradio_api/info", "/gradio_api/openapi.json", "/gradio_api/queue/data"),
            *("/gradio_api/file=/etc/passwd", "/gradio_api/heartbeat/x", "/theme.css", "/evaluation"),
            *("/original?document=000_6ccbc2743614ce45.txt", "/assets/x", "/login", "/monitoring"),
        ):
            refused = httpx.get(url + address)
            assert (address, refused.status_code) == (address, 401)
            assert refused.headers["WWW-Authenticate"].startswith("Basic")
            assert "Content-Security-Policy" in refused.headers
        for address in (
            *("/gradio_api/upload", "/gradio_api/call/v2/ask", "/gradio_api/queue/join", "/login"),
            *("/export?form=md", "/gradio_api/component_server"),
        ):
            assert httpx.post(url + address, json={}).status_code == 401
        for headers in (
            *(authorization("mira", "wrong"), authorization("nobody", "säsam öffne: dich")),
            *({"Authorization": "Basic !!"}, {"Authorization": "Bearer x"}, authorization("mira", "")),
        ):
            assert httpx.get(url, headers=headers).status_code == 401

        right = authorization("mira", "säsam öffne: dich")
        assert httpx.get(url, headers=right).status_code == 200
        assert call(url, "ask", question=QUESTION, headers=right)[1][0]["answered"]
        assert Client(url, headers=right, verbose=False).predict(api_name="/health")["status"] == "ready"


def test_guessing_passwords_keeps_nobody_out_who_has_been_in(qa: QA) -> None:
    with serving(lambda: qa, accounts=Accounts({"mira": hashed("right")})) as url:
        right = authorization("mira", "right")
        assert httpx.get(url, headers=right).status_code == 200
        with ThreadPoolExecutor(30) as guessers:
            guesses = [
                guessers.submit(httpx.get, url, headers=authorization("mira", f"guess {n}"), timeout=60)
                for n in range(60)
            ]
            assert httpx.get(f"{url}/config", headers=right, timeout=60).status_code == 200
            assert not all(guess.done() for guess in guesses)
            assert {guess.result().status_code for guess in guesses} == {401}


@pytest.mark.parametrize(
    "content", ["", "mira\n", "mira:secret\n", ":scrypt$1$1$1$a$a\n", "mira:scrypt$x$8$1$AA$AA\n", None]
)
def test_a_file_that_holds_no_account_is_named(tmp_path: Path, content: str | None) -> None:
    path = tmp_path / "accounts"
    if content is not None:
        path.write_text(content)
    with pytest.raises(QAError, match="qa password USER"):
        Accounts.read(path)


def test_the_same_user_twice_is_named(tmp_path: Path) -> None:
    line = f"mira:{hashed('x')}\n"
    (tmp_path / "accounts").write_text(line * 2)
    with pytest.raises(QAError, match="line 2"):
        Accounts.read(tmp_path / "accounts")


def test_a_line_made_by_the_command_lets_its_password_in(tmp_path: Path) -> None:
    made = subprocess.run(
        [sys.executable, "-m", "qa", "password", "mira"],
        input="a b:c\n",
        capture_output=True,
        text=True,
        check=True,
    )
    (tmp_path / "accounts").write_text(made.stdout)
    accounts = Accounts.read(tmp_path / "accounts")
    assert not accounts.remembers("mira", "a b:c")
    assert accounts.admit("mira", "a b:c")
    assert accounts.remembers("mira", "a b:c")
    assert not accounts.remembers("mira", "a b")
    assert not accounts.admit("mira", "a b")
    assert not accounts.admit("other", "a b:c")
    assert "a b:c" not in made.stdout


# Behind a reverse proxy


def test_addresses_carry_the_prefix_of_a_reverse_proxy(qa: QA) -> None:
    with serving(lambda: qa, root_path="/qa") as url:
        assert httpx.get(f"{url}/config").json()["root"].endswith("/qa")


@pytest.mark.parametrize("prefix", ["qa", "/qa/", "/q a", "javascript:x", "/<script>"])
def test_a_prefix_that_is_none_is_named(qa: QA, prefix: str) -> None:
    with pytest.raises(QAError, match="--root-path /qa"):
        start(lambda: qa, port=0, root_path=prefix)


# Many at once


def test_forty_clients_at_once_each_get_their_own_answer(url: str, qa: QA) -> None:
    asked = [q.question for q in read_questions(SEED_QUESTIONS).questions if not q.history]
    questions = list(dict.fromkeys(asked))[::5][:40]
    assert len(questions) == 40
    expected = {question: qa.ask(question).to_dict()["text"] for question in questions}
    with ThreadPoolExecutor(40) as clients:
        told = list(clients.map(lambda question: call(url, "ask", question=question), questions))
    for question, (kind, [answer]) in zip(questions, told, strict=True):
        assert kind == "complete"
        assert answer["question"] == question
        assert answer["text"] == expected[question]

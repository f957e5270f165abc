import ast
import string
from pathlib import Path

import pytest

from sinkest.errors import InputError, SourceError
from sinkest.messages import LANGUAGES, Message, catalogue, current_language, set_language, text

PACKAGE = Path(__file__).resolve().parents[1] / "sinkest"
KEYED = {"of", "text", "InputError", "ConfigError", "ModelError", "RunError", "SourceError", "SinkestError"}


def fields(template: str) -> set[str]:
    return {name.split(".")[0].split("[")[0] for _, name, _, _ in string.Formatter().parse(template) if name}


@pytest.mark.parametrize("key", sorted(catalogue()))
def test_every_entry_has_both_languages_with_the_same_fields(key: str) -> None:
    entry = catalogue()[key]
    assert set(entry) == set(LANGUAGES)
    assert all(value.strip() for value in entry.values())
    assert fields(entry["en"]) == fields(entry["zh"])


def test_chinese_entries_are_chinese() -> None:
    plain = [key for key, entry in catalogue().items() if len(entry["en"].split()) > 6 and entry["zh"].isascii()]
    assert plain == []


def literal_keys() -> dict[str, str]:
    """Keys that the program names as literals, with the file that does."""
    found: dict[str, str] = {}
    for path in sorted(PACKAGE.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not isinstance(node, ast.Call) or not node.args:
                continue
            name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            first = node.args[0]
            if (
                name in KEYED
                and isinstance(first, ast.Constant)
                and isinstance(first.value, str)
                and "." in first.value
            ):
                found[first.value] = path.name
    return found


def test_every_key_the_program_names_is_in_the_catalogue() -> None:
    missing = {key: file for key, file in literal_keys().items() if key not in catalogue()}
    assert missing == {}


def test_language_follows_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SINKEST_LANG")
    monkeypatch.setenv("LC_ALL", "zh_CN.UTF-8")
    assert current_language() == "zh"
    monkeypatch.setenv("LC_ALL", "C.UTF-8")
    assert current_language() == "en"


def test_a_chosen_language_wins() -> None:
    set_language("zh")
    try:
        assert text("core.not_shipped", name="x").startswith("本安装")
    finally:
        set_language(None)


def test_an_unknown_language_is_refused() -> None:
    with pytest.raises(ValueError, match="klingon"):
        set_language("klingon")


def test_messages_in_messages_follow_the_language() -> None:
    inner = Message.of("core.not_shipped", name="x")
    outer = Message.of("config.invalid", file="f", problems=(inner, inner))
    assert outer.text("zh").count("本安装不含 x") == 2
    assert outer.text("en").count("x does not ship") == 2


def test_errors_survive_pickling() -> None:
    import pickle

    plain = pickle.loads(pickle.dumps(InputError("core.not_shipped", name="x")))
    assert (plain.key, str(plain)) == ("core.not_shipped", str(InputError("core.not_shipped", name="x")))
    source = SourceError("core.not_shipped", kind="network", status=503, retryable=True, name="x")
    again = pickle.loads(pickle.dumps(source))
    assert (again.kind, again.status, again.retryable) == ("network", 503, True)

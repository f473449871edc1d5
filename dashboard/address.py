"""The state of a page in its address, both ways: copying the address reproduces the picture.

Values are written plainly: ``sigma=10``, ``target=two-peak``, ``loop=true``, lists of numbers as ``1,2.5``, points as
``0:1,0.5:3``; anything else as JSON. What the address says is checked against the parameter it names; a bad value is
reported in a sentence and the present value stays.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterable, Mapping
from typing import Any
from urllib.parse import parse_qsl, urlencode

import param
from panel.custom import JSComponent

from dashboard import locks
from dashboard.limited import beyond

RESERVED = ("page", "theme", "s", "lock", "hide", "embed", "panel", "detail", "tour", "story", "present")
"""Keys of the frame itself, which no page may use."""


def encode(parameter: param.Parameter, value: Any) -> str:
    """The text that stands for ``value`` in the address; ``decode`` reads it back exactly. None is the empty text."""
    if isinstance(parameter, param.ListSelector):
        return ",".join(_plain(v) for v in value)
    return _plain(value)


def decode(parameter: param.Parameter, text: str) -> Any:
    """The value that ``text`` stands for (bounds are the parameter's business). Raises ValueError for nonsense."""
    if isinstance(parameter, param.ListSelector):
        return [_choice(parameter, name) for name in text.split(",")] if text else []
    if isinstance(parameter, param.Selector):
        return _choice(parameter, text)
    if isinstance(parameter, param.String):
        return text
    if text == "" and parameter.allow_None:
        return None
    if isinstance(parameter, param.Boolean):
        return _BOOLEANS[text.lower()]
    if isinstance(parameter, param.Integer):
        return int(text)
    if isinstance(parameter, param.Number):
        return _finite(text)
    sequence = _sequence(text)
    return tuple(sequence) if isinstance(parameter, param.Tuple) else sequence


def words(text: str) -> list[str]:
    """The names in ``kappa,lam``."""
    return [word for word in text.replace(" ", "").split(",") if word]


def allowed(parameter: param.Parameter) -> str:
    """In words, what a parameter accepts."""
    if isinstance(parameter, param.Selector):
        what = "one of " + ", ".join(_options(parameter))
        return f"a list of names, each {what}" if isinstance(parameter, param.ListSelector) else what
    if isinstance(parameter, param.Boolean):
        return "true or false"
    if isinstance(parameter, param.Number):
        what = "a whole number" if isinstance(parameter, param.Integer) else "a number"
        low, high = parameter.bounds or (None, None)
        if low is not None and high is not None:
            return f"{what} from {_plain(low)} to {_plain(high)}"
        if low is not None:
            return f"{what}, at least {_plain(low)}"
        return f"{what}, at most {_plain(high)}" if high is not None else what
    if isinstance(parameter, param.List | param.Tuple):
        return "a list such as 1,2,3 or 0:1,0.5:3,1:10"
    return "a text of the expected form"


def _options(parameter: param.Selector) -> list[str]:
    """What can be chosen; where that is found only while the server runs, such as files, with the page's words."""
    if parameter.check_on_set or not parameter.names:
        return [_plain(value) for value in _objects(parameter)]
    return [f"{_plain(value) or 'nothing'} ({title})" for title, value in parameter.names.items()]


_BOOLEANS = {"true": True, "1": True, "false": False, "0": False}


def _plain(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, str):
        return value
    if isinstance(value, bool | int):
        return str(value).lower()
    if isinstance(value, float):
        return repr(value).removesuffix(".0")
    if isinstance(value, list | tuple) and value:
        if all(_is_number(v) for v in value):
            return ",".join(_plain(v) for v in value)
        if all(isinstance(v, list | tuple) and len(v) > 1 and all(_is_number(w) for w in v) for v in value):
            return ",".join(":".join(_plain(w) for w in v) for v in value)
    return json.dumps(value, separators=(",", ":"))


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _number(text: str) -> int | float:
    return int(text) if text.strip().lstrip("+-").isdigit() else _finite(text)


def _finite(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise ValueError(f"{text} is not a finite number")
    return value


def _sequence(text: str) -> list[Any]:
    if text[:1] in ("[", "{", '"'):
        return json.loads(text)
    if ":" in text:
        return [tuple(_number(part) for part in item.split(":")) for item in text.split(",")]
    return [_number(item) for item in text.split(",")]


def _objects(parameter: Any) -> list[Any]:
    return list(parameter.objects)


def _choice(parameter: param.Parameter, text: str) -> Any:
    return {_plain(v): v for v in _objects(parameter)}[text]


class AddressBar(JSComponent):
    """Shows ``query`` in the browser's address without adding to its history (browsers limit how often: 5 a second)."""

    query = param.String(doc="What follows the question mark.")

    _esm = """
    export function render({ model }) {
      let timer = null
      const show = () => {
        timer = null
        history.replaceState(null, '', `${location.pathname}?${model.query}${location.hash}`)
      }
      model.on('query', () => { timer ??= setTimeout(show, 200) })
      model.on('remove', () => clearTimeout(timer))
      const place = document.createElement('span')
      place.hidden = true
      return place
    }
    """


class Address:
    """Keeps parameters and the query of the address equal.

    ``search`` is the query as the browser sent it; ``report(key, sentence)`` is told about values that cannot be used.
    ``bar.query`` always holds the present query, with keys that nobody claimed left as they were.
    """

    def __init__(self, search: str, report: Callable[[str], None]) -> None:
        self._query = dict(parse_qsl(search.removeprefix("?"), keep_blank_values=True))
        self._given = dict(self._query)
        self._report = report
        self._claimed: dict[str, tuple[param.Parameterized, str]] = {}
        self._expected: set[str] = set()
        self._fixed: dict[str, locks.How] = {
            **dict.fromkeys(words(self.get("lock")), "locked"),
            **dict.fromkeys(words(self.get("hide")), "hidden"),
        }
        self._told: set[str] = set()
        self.bar = AddressBar(query=self._text(), width=0, height=0, margin=0)

    def get(self, key: str, default: str = "") -> str:
        return self._query.get(key, default)

    @property
    def claimed(self) -> Mapping[str, tuple[param.Parameterized, str]]:
        """The state and the name of the parameter behind each key so far, in the order of their claims."""
        return self._claimed

    def expect(self, keys: Iterable[str]) -> None:
        """Keys that parts of the page will claim once they are opened."""
        self._expected.update(keys)

    def check_locks(self) -> None:
        """Report names to lock or to hide that no part of the page has; call it when the page is built."""
        unknown = [key for key in self._fixed if key not in self._claimed and key not in self._expected]
        if unknown:
            known = ", ".join([*self._claimed, *sorted(self._expected - set(self._claimed))]) or "none"
            self._report(
                f"The link locks or hides {', '.join(map(repr, unknown))}, which this page does not have. "
                f"Its controls are: {known}."
            )

    def set(self, key: str, value: str | None) -> None:
        """Write one key of the frame itself; None removes it."""
        if value is None:
            self._query.pop(key, None)
        else:
            self._query[key] = value
        self.bar.query = self._text()

    def sync(self, state: param.Parameterized, names: Mapping[str, str] | Iterable[str]) -> None:
        """Read the named parameters of ``state`` from the address now, and write them there whenever they change.

        ``names`` lists parameters, or maps them to the keys used in the address. Raises ValueError for a key that is
        reserved or taken.
        """
        keys = dict(names) if isinstance(names, Mapping) else {name: name for name in names}
        for name, key in keys.items():
            if key in self._claimed or key in RESERVED:
                raise ValueError(f"the address key {key!r} of {name} is already in use")
            self._claimed[key] = (state, name)
        with param.parameterized.batch_call_watchers(state):
            for name, key in keys.items():
                if key in self._given:
                    self._read(state, name, key)

        def write(*events: Any) -> None:
            for name in [event.name for event in events] or keys:
                self._query[keys[name]] = encode(state.param[name], getattr(state, name))
            self.bar.query = self._text()

        state.param.watch(write, list(keys))
        write()
        for name, key in keys.items():
            if key in self._fixed:
                locks.lock(state, name, self._fixed[key], self._refused)

    def _refused(self, name: str) -> None:
        """Somebody has tried to change what the link sets: say so, once."""
        if name not in self._told:
            self._told.add(name)
            self._report(f"{name} is set by the link and stays as it is.")

    def _read(self, state: param.Parameterized, name: str, key: str) -> None:
        parameter, text = state.param[name], self._given[key]
        try:
            setattr(state, name, decode(parameter, text))
        except (ValueError, TypeError, KeyError, RecursionError):
            kept = encode(parameter, getattr(state, name)) or "the default"
            why = beyond(key, text) or f"it must be {allowed(parameter)}"
            self._report(f"{key} = {text!r} in the address cannot be used: {why}. Continuing with {kept}.")

    def _text(self) -> str:
        return urlencode(self._query, safe=",:")

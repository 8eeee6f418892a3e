"""How an option is declared: once, with all that command line, Python, manifests and docs need.

An option is an annotated field of a pydantic model: its type and range are the field's, all else is
in an `Option`. Everything that lists options is derived from `declared`
(docs/adr/0018-option-model.md).
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence  # noqa: TC003 - pydantic reads the annotations
from dataclasses import dataclass
from fractions import Fraction
from functools import cache
from pathlib import Path
from textwrap import indent, wrap
from typing import TYPE_CHECKING, Annotated, Any, Literal, Self, Union, get_args, get_origin

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import PydanticCustomError, PydanticUndefined, core_schema

from roi_accel.errors import InputError
from roi_accel.options.messages import (
    PYTHON,
    REFUSED,
    Caller,
    command_line,
    refusal,
    unknown_name,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from pydantic import GetCoreSchemaHandler

Concern = Literal["masks", "distorted", "vmaf"]


@dataclass(frozen=True, kw_only=True)
class Option:
    """What is said of an option beyond its type, range and default.

    Attributes
    ----------
    help : str
        One or two sentences that serve command line and Python alike.
    panel : str
        The group that the help shows it in.
    flags : tuple of str
        How it is typed where that is not ``--its-name`` alone.
    metavar : str
        What the help shows for its value. Default: its type.
    unset : str
        What happens where it is left out, if its default is None.
    complete : function, optional
        Returns what a shell offers for its value.
    concerns : {"masks", "distorted", "vmaf"}
        What it decides: frames and masks, which `score` and `mask` share; the distorted video; or
        the scoring, which `mask` does not do.
    role : {"network", "own masks"}, optional
        Whether it shapes a network's masks, or takes the network's place.
    is_file : bool
        Whether it names a file that is read: no output may replace it, a row may name it by URL,
        and a batch knows it by its contents.
    recorded : bool or str
        Whether a result's provenance has it among its ``parameters``, and under which name if not
        its own: it decides the score, and scores that differ in it are not comparable.
    changes_scores : bool
        Whether pairs that differ in it are different work for a batch.
    remedy : str
        What to do about a value of the wrong type.
    """

    help: str
    panel: str
    flags: tuple[str, ...] = ()
    metavar: str | None = None
    unset: str = ""
    complete: Callable[[], list[str]] | None = None
    concerns: Concern = "masks"
    role: Literal["network", "own masks"] | None = None
    is_file: bool = False
    recorded: bool | str = False
    changes_scores: bool = True
    remedy: str = ""

    def __call__(self, schema: dict[str, Any]) -> None:
        """Describe the option in its JSON schema, as pydantic asks."""
        schema["description"] = self.help


def option(
    default: object,
    help: str,  # noqa: A002 - as Typer calls it
    panel: str,
    *,
    factory: Callable[[], object] | None = None,
    **more: Any,  # noqa: ANN401 - of `Option`
) -> Any:  # noqa: ANN401 - as pydantic's Field
    """Return a model's field with an `Option`; `factory` makes a default that is found out late."""
    said = Option(help=help, panel=panel, **more)
    if factory is not None:
        return Field(default_factory=factory, json_schema_extra=said)
    return Field(default, json_schema_extra=said)


@dataclass(frozen=True)
class Given:
    """How a value is given, where it is kept as another type.

    Attributes
    ----------
    python : str
        The annotation of Python's keyword.
    parse : function
        Makes the value of what was given; raises InputError, which need not name the option.
    is_joined : bool
        Whether a list is typed as one argument, ``a,b``, and not as several.
    """

    python: str
    parse: Callable[[Any], object]
    is_joined: bool = False

    def __get_pydantic_core_schema__(
        self, source: object, handler: GetCoreSchemaHandler
    ) -> core_schema.CoreSchema:
        """Parse before pydantic validates."""
        return core_schema.no_info_before_validator_function(self._read, handler(source))

    def _read(self, value: object) -> object:
        if not any(_fits(value, each) for each in self.python.split(" | ")):
            kind = "given_type"
            raise PydanticCustomError(kind, kind)
        try:
            return self.parse(value)
        except InputError as error:
            said = {"message": error.message, "remedy": error.remedy}
            raise PydanticCustomError(REFUSED, REFUSED, said) from error


_WORDS = {
    "AnyPath": ("a path", "path"),
    "Sequence[str]": ("a list, each text", "list of str"),
    "bool": ("True or False", "bool"),
    "float": ("a number", "number"),
    "int": ("a whole number", "int"),
    "str": ("text", "str"),
    "Fraction": ("", ""),  # A number, as far as messages and docstrings go.
    "Progress": ("a function", "function"),
}
"""What an annotation of Python's keywords is called in messages, and in docstrings."""


@dataclass(frozen=True)
class Declared:
    """One option of a model, with all that follows from its annotation.

    Attributes
    ----------
    name : str
    option : Option
    kept_as : type
        What the model keeps, None aside.
    default : object
    least, most : float or None
        The range of a number.
    given : Given or None
    """

    name: str
    option: Option
    kept_as: Any
    default: Any
    least: float | None
    most: float | None
    given: Given | None

    @property
    def choices(self) -> tuple[str, ...]:
        """The only values that it takes, () for any."""
        return get_args(self.kept_as) if get_origin(self.kept_as) is Literal else ()

    @property
    def is_list(self) -> bool:
        """Whether it may be given several times."""
        is_joined = self.given is not None and self.given.is_joined
        return get_origin(self.kept_as) is tuple and not is_joined

    @property
    def recorded(self) -> str:
        """Its key among the ``parameters`` of a result's provenance; "" if it has none."""
        found = self.option.recorded
        return found if isinstance(found, str) else self.name if found else ""

    @property
    def flags(self) -> tuple[str, ...]:
        """How it is typed."""
        return self.option.flags or ("--" + self.name.replace("_", "-"),)

    @property
    def typed_as(self) -> type:
        """The type that the command line reads; text is read by `from_text`."""
        if self.is_list:
            return list[str]
        return self.kept_as if self.kept_as in (bool, Path) else str

    @property
    def metavar(self) -> str:
        """What the help shows for its value."""
        plain = "list[str]" if self.is_list else getattr(self.kept_as, "__name__", "str").lower()
        if self.given and not (self.is_list or self.kept_as is Path):
            plain = "str"
        return self.option.metavar or "|".join(self.choices) or f"<{plain}>"

    @property
    def python(self) -> str:
        """The annotation of Python's keyword."""
        if self.given:
            return self.given.python
        if self.choices:
            return f"Literal[{', '.join(map(repr, self.choices))}]".replace("'", '"')
        return str(self.kept_as.__name__)

    @property
    def expected(self) -> str:
        """What a value must be, for messages."""
        if self.choices:
            return f"one of {', '.join(self.choices)}"
        return self._words(0)

    @property
    def documented_type(self) -> str:
        """What a docstring says of its type."""
        if self.choices:
            return "{" + ", ".join(f'"{each}"' for each in self.choices) + "}"
        return self._words(1)

    def _words(self, place: int) -> str:
        words = (_WORDS[each][place] for each in self.python.split(" | "))
        return " or ".join(filter(None, words))

    @property
    def range(self) -> str:
        """The range of a number, for messages; "" where any will do."""
        if self.least is None or self.most is None:
            return "" if self.least is None else f"at least {self.least:g}"
        return f"from {self.least:g} to {self.most:g}"

    @property
    def shown_default(self) -> str:
        """What the help and the docs show as its default; "" for nothing."""
        if self.default is None or self.default == () or self.option.unset:
            return self.option.unset
        many = isinstance(self.default, tuple)
        return ",".join(self.default) if many else str(self.default)

    @property
    def documentation(self) -> str:
        """What a docstring says of it, in numpy's form."""
        default = f" Default: {self.shown_default}." if self.shown_default else ""
        text = wrap(self.option.help + default, 90, break_on_hyphens=False)
        return "\n    ".join([f"{self.name} : {self.documented_type}", *text])

    def from_text(self, text: str) -> object:
        """Return what typed text means: a number, True or False, or the text itself.

        What does not read as the option's type stays text, so that checking it says what is wrong.
        """
        readers: dict[Any, Callable[[str], object]] = {bool: _boolean, int: int, float: float}
        try:
            return text if self.given else readers.get(self.kept_as, str)(text)
        except ValueError:
            return text


class Options(BaseModel):
    """A model of options: frozen, made from keywords, refused in our own words.

    Parameters
    ----------
    **given : object
        By name; None is the same as leaving it out.

    Raises
    ------
    InputError
        There is no such option, or a value is of the wrong type or out of range, or two contradict
        each other.
    """

    model_config = ConfigDict(
        frozen=True, strict=True, extra="forbid", arbitrary_types_allowed=True
    )

    def __init__(self, **given: object) -> None:
        self._fill(Context(PYTHON), given)

    @classmethod
    def given(
        cls, caller: Caller, given: Mapping[str, object], videos: Sequence[Path] = ()
    ) -> Self:
        """Return the options that `caller` gave for `videos`, who are named in messages."""
        options = cls.__new__(cls)
        options._fill(Context(caller, tuple(videos)), given)  # noqa: SLF001 - in place of __init__
        return options

    @classmethod
    def typed(cls, command: str, typed: Mapping[str, Any], videos: Sequence[Path] = ()) -> Self:
        """Return the options that were typed for a command, such as ``score``."""
        return cls.given(command_line(command), typed_values(cls, typed), videos)

    @classmethod
    def check_values(cls, caller: Caller, given: Mapping[str, object]) -> None:
        """Raise InputError for the first value that is not of its option's type.

        What is out of range, or contradicts another option, is left to those that use the options.
        """
        try:
            cls.given(caller, given)
        except InputError as error:
            # It is raised in place of pydantic's.
            cause = error.__context__
            if isinstance(cause, ValidationError) and cause.errors()[0]["type"].endswith("_type"):
                raise

    def _fill(self, context: Context, given: Mapping[str, object]) -> None:
        known = declared(type(self))
        for name in given.keys() - known.keys():
            raise unknown_name(name, known, context.caller)
        plain = {name: _plain(value) for name, value in given.items()}
        kept = {name: value for name, value in plain.items() if value is not None}
        try:
            self.__pydantic_validator__.validate_python(kept, self_instance=self, context=context)
        except ValidationError as error:
            fault = error.errors(include_url=False)[0]
            raise refusal(fault, known, context.caller) from None


@dataclass(frozen=True)
class Context:
    """What a model's checks know besides the options."""

    caller: Caller
    videos: tuple[Path, ...] = ()


def typed_values(model: type[Options], typed: Mapping[str, Any]) -> dict[str, Any]:
    """Return what was typed by the options' names, text read as numbers; None is left out."""
    known = declared(model)
    return {
        name: known[name].from_text(value) if isinstance(value, str) else value
        for name, value in typed.items()
        if value is not None
    }


@cache
def declared(model: type[Options]) -> dict[str, Declared]:
    """Return the options of a model by their names, in the order of its fields."""
    return {name: _declared(name, field) for name, field in model.model_fields.items()}


def _declared(name: str, field: FieldInfo) -> Declared:
    kept_as, found = _unwrapped(field.annotation)
    found += field.metadata
    said: Any = field.json_schema_extra
    return Declared(
        name=name,
        option=said,
        kept_as=kept_as,
        default=None if said.unset or field.default is PydanticUndefined else field.default,
        least=next((each.ge for each in found if hasattr(each, "ge")), None),
        most=next((each.le for each in found if hasattr(each, "le")), None),
        given=next((each for each in found if isinstance(each, Given)), None),
    )


def _unwrapped(annotation: object) -> tuple[Any, list[Any]]:
    """Return a type without None and annotations, and these."""
    found: list[Any] = []
    while True:
        origin, parts = get_origin(annotation), get_args(annotation)
        if origin is Annotated:
            annotation, *metadata = parts
            for each in metadata:
                found += each.metadata if isinstance(each, FieldInfo) else [each]
        elif type(None) in parts:
            (annotation, *others) = (each for each in parts if each is not type(None))
            if others:
                return Union[(annotation, *others)], found
        else:
            return annotation, found


def documented(docstring: str | None, options: Iterable[Declared]) -> str:
    """Return a function's docstring with the options in place of ``**keywords``."""
    last = sorted(options, key=lambda each: each.option.panel == "Output")
    text = "\n".join(each.documentation for each in last)
    return (docstring or "").replace("    **keywords\n", indent(text, "    ") + "\n")


def is_path(value: object) -> bool:
    """Return whether `value` is a path as text, not as bytes."""
    return isinstance(value, str) or (
        isinstance(value, os.PathLike) and isinstance(os.fspath(value), str)
    )


def _fits(value: object, kind: str) -> bool:
    """Return whether a value may be given for a part of an annotation."""
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return {
        "AnyPath": lambda: is_path(value),
        "Sequence[str]": lambda: (
            isinstance(value, list | tuple) and all(isinstance(each, str) for each in value)
        ),
        "float": lambda: is_number,
        "int": lambda: is_number and isinstance(value, int),
        "str": lambda: isinstance(value, str),
        "Fraction": lambda: isinstance(value, Fraction),
        "Progress": lambda: callable(value),
    }[kind]()


def _plain(value: Any) -> Any:  # noqa: ANN401 - whatever a caller gave
    """Return NumPy's scalars as Python's."""
    is_scalar = type(value).__module__ == "numpy" and getattr(value, "shape", None) == ()
    return value.item() if is_scalar else value


def _boolean(text: str) -> object:
    words: dict[str, object] = {"true": True, "false": False}
    return words.get(text.lower(), text)

"""`layers.toml` in the home: layers and mosaic rules that the operator defines beside those every node has."""

import tomllib
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from catalog.item import ID_PATTERN, MAX_ID_LENGTH
from imagery_node.errors import BadParameterError, LayerFileError
from imagery_node.layer import Layer
from imagery_node.mosaic_rule import MAX_FEATHER_PX, NEWEST_CLEAR, RULES, MosaicRule, Order, Weights
from imagery_node.parameter import NAME_PATTERN
from imagery_node.when import parse_period, parse_when

LAYER_FILE = "layers.toml"
MAX_LAYERS = 200
MAX_RULES = 50
MAX_WEIGHT = 1e6

_Id = Annotated[str, Field(pattern=ID_PATTERN, max_length=MAX_ID_LENGTH)]
_Name = Annotated[str, Field(pattern=NAME_PATTERN)]
_Weight = Annotated[float, Field(ge=-MAX_WEIGHT, le=MAX_WEIGHT, allow_inf_nan=False)]


class _Table(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class _WeightTable(_Table):
    gsd: _Weight = 0.0
    cloud: _Weight = 0.0
    age: _Weight = 0.0
    off_nadir: _Weight = 0.0


class _RuleTable(_Table):
    name: Annotated[str, Field(pattern=r"^[a-z0-9-]{1,64}$")]
    version: Annotated[int, Field(ge=1, le=1_000_000)] = 1
    kind: Literal["order"] = "order"
    order: Order
    clear_pixels_first: bool = False
    feather_px: Annotated[int, Field(ge=0, le=MAX_FEATHER_PX)] = 0
    weights: _WeightTable = _WeightTable()

    def rule(self) -> MosaicRule:
        return MosaicRule(**{**dict(self), "weights": Weights(**dict(self.weights))})


class _LayerTable(_Table):
    id: _Id
    title: Annotated[str, Field(max_length=200)] = ""
    collections: Annotated[tuple[_Id, ...], Field(max_length=1000)] = ()
    rule: str = NEWEST_CLEAR.name
    render: _Name | None = None
    time: str | None = None
    max_age_s: Annotated[int, Field(ge=0, le=86_400)] | None = None


class _File(_Table):
    rule: Annotated[tuple[_RuleTable, ...], Field(max_length=MAX_RULES)] = ()
    layer: Annotated[tuple[_LayerTable, ...], Field(max_length=MAX_LAYERS)] = ()


def read_layers(home: Path) -> tuple[Layer, ...]:
    """The layers an operator defines; none without the file. `collections` is empty where all are meant.

    Raises:
        LayerFileError: The file cannot be read, or something in it is not as it must be; a line for each.
    """
    path = home / LAYER_FILE
    try:
        tables = _File.model_validate(tomllib.loads(path.read_text(encoding="utf-8")))
    except FileNotFoundError:
        return ()
    except ValidationError as error:
        wrong = [f"{'.'.join(map(str, each['loc']))}: {each['msg']}" for each in error.errors()]
        raise LayerFileError("\n".join(f"{LAYER_FILE}: {line}" for line in wrong)) from error
    except (OSError, ValueError) as error:
        raise LayerFileError(f"{LAYER_FILE}: {error}") from error
    own = [table.rule() for table in tables.rule]
    _refuse_repeated("rule", [*RULES, *(rule.name for rule in own)])
    _refuse_repeated("layer", [table.id for table in tables.layer])
    rules = {**RULES, **{rule.name: rule for rule in own}}
    return tuple(_layer(table, rules) for table in tables.layer)


def _layer(table: _LayerTable, rules: dict[str, MosaicRule]) -> Layer:
    if table.rule not in rules:
        raise LayerFileError(
            f"{LAYER_FILE}: layer {table.id}: rule is {table.rule!r:.80}, expected one of {', '.join(rules)}"
        )
    if parse_period(table.id.rpartition("_")[2]):
        raise LayerFileError(f"{LAYER_FILE}: layer {table.id}: the end of this id is how a period of a layer is named")
    try:
        when = parse_when(table.time)
    except BadParameterError as error:
        raise LayerFileError(f"{LAYER_FILE}: layer {table.id}: time: {error}") from error
    return Layer(
        table.id,
        table.title or table.id,
        table.collections,
        rules[table.rule],
        render=table.render,
        when=when,
        max_age_s=table.max_age_s,
    )


def _refuse_repeated(kind: str, names: list[str]) -> None:
    repeated = sorted({name for name in names if names.count(name) > 1})
    if repeated:
        raise LayerFileError(f"{LAYER_FILE}: {kind} {', '.join(repeated)}: is there already")

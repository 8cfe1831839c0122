"""Writes test/extproc/envoy-descriptors.json: Envoy's published messages, which our own protos are compared with.

    python3 -m pip install --target DIR envoy-data-plane==2.2.0
    PYTHONPATH=DIR python3 scripts/dump-envoy-descriptors.py

The tests read only the JSON; run this again when the package version below changes.
"""

import dataclasses
import datetime
import enum
import importlib
import importlib.metadata
import json
import pathlib
import typing

PACKAGE = "envoy-data-plane"
VERSION = "2.2.0"
OUTPUT = pathlib.Path(__file__).parent.parent / "test" / "extproc" / "envoy-descriptors.json"

MESSAGES = {
    "envoy.config.core.v3": ["HeaderMap", "HeaderValue", "HeaderValueOption", "Metadata"],
    "envoy.extensions.filters.http.ext_proc.v3": ["ProcessingMode"],
    "envoy.service.ext_proc.v3": [
        "BodyMutation", "BodyResponse", "CommonResponse", "GrpcStatus", "HeaderMutation", "HeadersResponse", "HttpBody",
        "HttpHeaders", "HttpTrailers", "ImmediateResponse", "ProcessingRequest", "ProcessingResponse",
        "ProtocolConfiguration", "StreamedBodyResponse", "StreamedImmediateResponse", "TrailersResponse",
    ],
    "envoy.type.v3": ["HttpStatus"],
}  # fmt: skip

enums: dict[str, dict[str, int]] = {}


def full_name(python_type: type) -> str:
    """The protobuf name of a generated class. A nested enum's class is named `OuterInner`, beside `Outer`."""
    package = python_type.__module__.removeprefix("envoy_data_plane.")
    name = python_type.__name__
    if not issubclass(python_type, enum.Enum):
        return f"{package}.{name}"
    outers = [m for m in MESSAGES.get(package, []) if name.startswith(m) and name != m]
    outer = max(outers, key=len, default="")
    name = f"{outer}.{name.removeprefix(outer)}" if outer else name
    enums[f"{package}.{name}"] = {member.name: member.value for member in python_type}
    return f"{package}.{name}"


def value_type(proto_type: str, python_type: type) -> str:
    """A scalar's name, or the full name of what a message or enum field holds."""
    if proto_type not in ("message", "enum"):
        return proto_type
    if python_type is datetime.timedelta:
        return "google.protobuf.Duration"
    return full_name(python_type)


def without_none(hint: typing.Any) -> typing.Any:
    members = [m for m in typing.get_args(hint) if m is not type(None)]
    return members[0] if type(None) in typing.get_args(hint) else hint


def describe(field: dataclasses.Field, hint: typing.Any) -> dict[str, typing.Any]:
    meta = field.metadata["betterproto"]
    described: dict[str, typing.Any] = {"number": meta.number, "label": "repeated" if meta.repeated else "singular"}
    if meta.proto_type == "map":
        key, value = meta.map_meta
        described |= {"label": "map", "key": key.proto_type}
        described["type"] = value_type(value.proto_type, typing.get_args(hint)[1])
    elif meta.repeated:
        described["type"] = value_type(meta.proto_type, typing.get_args(hint)[0])
    elif meta.unwrap is not None and without_none(hint) is not datetime.timedelta:
        described["type"] = full_name(meta.unwrap())
    else:
        described["type"] = value_type(meta.proto_type, without_none(hint))
    if meta.group is not None:
        described["oneof"] = meta.group
    return described


def main() -> None:
    installed = importlib.metadata.version(PACKAGE)
    if installed != VERSION:
        raise SystemExit(f"{PACKAGE} {installed} is installed, {VERSION} is wanted")
    messages = {}
    for package, names in MESSAGES.items():
        module = importlib.import_module(f"envoy_data_plane.{package}")
        for name in names:
            message = getattr(module, name)
            hints = typing.get_type_hints(message)
            messages[f"{package}.{name}"] = {f.name: describe(f, hints[f.name]) for f in dataclasses.fields(message)}
    source = {"package": PACKAGE, "version": VERSION}
    OUTPUT.write_text(json.dumps({"source": source, "messages": messages, "enums": enums}, indent=2) + "\n")


main()

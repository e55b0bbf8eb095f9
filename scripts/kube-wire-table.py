#!/usr/bin/env python3
"""Prints the table of messages for scripts/kube-wire-table.

kube-wire-table.py FOLDER VERSION: FOLDER has k8s.io/api and k8s.io/apimachinery. The types of fields
are read from the protobuf definitions; JSON names, pointers and merge keys from the tags of the Go
types, by the number of the field.
"""
import re
import sys
from pathlib import Path

# Group, version, kinds that clients send in bodies.
ROOTS = {
    ("", "v1", "core"): "ConfigMap Event Namespace Node Pod ResourceQuota Secret Service "
    "ServiceAccount",
    ("apps", "v1", "apps"): "DaemonSet Deployment ReplicaSet StatefulSet",
    ("authentication.k8s.io", "v1", "authentication"): "SelfSubjectReview TokenRequest TokenReview",
    ("authorization.k8s.io", "v1", "authorization"): "LocalSubjectAccessReview "
    "SelfSubjectAccessReview SelfSubjectRulesReview SubjectAccessReview",
    ("autoscaling", "v1", "autoscaling"): "Scale",
    ("batch", "v1", "batch"): "CronJob Job",
    ("events.k8s.io", "v1", "events"): "Event",
    ("policy", "v1", "policy"): "Eviction",
}
# Messages whose JSON is not an object of their fields.
SPECIAL = {
    "resource.Quantity": "Quantity",
    "intstr.IntOrString": "IntOrString",
    "meta.v1.Time": "Time",
    "meta.v1.MicroTime": "MicroTime",
    "meta.v1.FieldsV1": "RawJson",
    "runtime.RawExtension": "RawJson",
}
SCALARS = {
    "bool": "Bool", "int32": "Integer", "int64": "Integer", "uint32": "Integer",
    "string": "Text", "bytes": "Bytes", "double": "Double",
}


def short(name):
    name = name.strip(".").removeprefix("k8s.io.apimachinery.pkg.").removeprefix("k8s.io.api.")
    return name.removeprefix("apis.").removeprefix("api.").removeprefix("util.")


def messages(folder):
    """Message → {number: (label, type, name)}, and the folder that its Go type is in."""
    found, folders = {}, {}
    for path in sorted(folder.rglob("generated.proto")):
        package, message = "", None
        for line in path.read_text().splitlines():
            line = line.split("//")[0].strip()
            if line.startswith("package "):
                package = line[len("package "):].rstrip(";")
            elif match := re.fullmatch(r"message (\w+) \{", line):
                message = short(f"{package}.{match[1]}")
                found[message], folders[message] = {}, path.parent
            elif line == "}":
                message = None
            elif message and (match := re.fullmatch(r"map<string, ([\w.]+)> (\w+) = (\d+);", line)):
                found[message][int(match[3])] = ("map", full(package, match[1]), match[2])
            elif message and (
                match := re.fullmatch(r"(optional|repeated) ([\w.]+) (\w+) = (\d+);", line)
            ):
                found[message][int(match[4])] = (match[1], full(package, match[2]), match[3])
            elif message and line:
                sys.exit(f"{path}: cannot read {line!r}")
    return found, folders


def full(package, name):
    if name in SCALARS:
        return name
    return short(name if name.startswith(".") else f"{package}.{name}")


def tags(folder, cache={}):
    """Go type → {number: (type, json tag, strategy, merge key)}."""
    if folder not in cache:
        structs = cache[folder] = {}
        for path in sorted(folder.glob("*.go")):
            if path.name.endswith("_test.go") or path.name.startswith(("generated", "zz_")):
                continue
            struct = None
            for line in path.read_text().splitlines():
                if match := re.match(r"type (\w+) struct \{", line):
                    struct = structs.setdefault(match[1], {})
                elif line == "}":
                    struct = None
                elif struct is not None and (match := re.match(r"\s+([^`/]+)`(.*)`", line)):
                    field = dict(re.findall(r'(\w+):"([^"]*)"', match[2]))
                    if field.get("protobuf", "-") != "-":
                        number = int(field["protobuf"].split(",")[1])
                        struct[number] = (match[1].split()[-1], field)
    return cache[folder]


def kind(name):
    if name in SCALARS:
        return SCALARS[name]
    if name in SPECIAL:
        return SPECIAL[name]
    return f'Message("{name}")'


def row(message, number, field, go):
    label, type_, _ = field
    go_type, tag = go
    json_name, *json_options = tag["json"].split(",")
    if label == "map":
        label = "Map"
    elif label == "repeated":
        label = "List"
    elif "inline" in json_options:
        label = "Inline"
    elif go_type.startswith("*"):
        label = "Pointer"
    elif "omitempty" in json_options or "omitzero" in json_options:
        label = "Optional"
    else:
        label = "Required"
    strategy = tag.get("patchStrategy", "").split(",")
    field = f'{number}, "{json_name}", {kind(type_)}, {label}'
    if "merge" not in strategy:
        return f"f({field}),"
    key = tag.get("patchMergeKey")
    return f'merged({field}, Key("{key}")),' if key else f"merged({field}, Union),"


def main():
    folder, version = Path(sys.argv[1]), sys.argv[2]
    protos, folders = messages(folder)
    wanted = ["meta.v1.DeleteOptions"]
    roots = []
    for (group, api_version, package), kinds in ROOTS.items():
        for name in kinds.split():
            message = f"{package}.{api_version}.{name}"
            wanted.append(message)
            roots.append((group, api_version, name, message))
    table, strings = {}, set()
    while wanted:
        message = wanted.pop()
        if message in table or message in SPECIAL or message in strings:
            continue
        fields = protos[message]
        if list(fields) == [1] and fields[1] == ("repeated", "string", "items"):
            # A named list of texts.
            strings.add(message)
            continue
        go = tags(folders[message])[message.split(".")[-1]]
        table[message] = [row(message, n, fields[n], go[n]) for n in sorted(fields)]
        wanted += [type_ for _, type_, _ in fields.values() if type_ not in SCALARS]
    print("//! The messages of Kubernetes' API, written by `scripts/kube-wire-table`.")
    print()
    print("use super::field::Label::{Inline, List, Map, Optional, Pointer, Required};")
    print("use super::field::Merge::{Key, Union};")
    print("use super::field::Type::{Bool, Bytes, Integer, IntOrString, Message as M, MicroTime,")
    print("    Quantity, RawJson, Text, Texts, Time};")
    print("use super::field::{Message, field as f, merged};")
    print()
    print("/// The version of the API that the table is of.")
    print(f'pub const API_VERSION: &str = "{version}";')
    print()
    print("/// Group, version and kind of the objects that clients send, and their messages.")
    print("pub(super) static ROOTS: &[(&str, &str, &str, &str)] = &[")
    for root in sorted(roots):
        print("    (" + ", ".join(f'"{part}"' for part in root) + "),")
    print("];")
    print()
    print("/// All messages, by their names.")
    print("pub(super) static MESSAGES: &[Message] = &[")
    for message in sorted(table):
        rows = " ".join(table[message])
        for name in strings:
            rows = rows.replace(f'Message("{name}")', "Texts")
        rows = rows.replace("Message(", "M(")
        print(f'Message {{ name: "{message}", fields: &[{rows}] }},')
    print("];")


main()

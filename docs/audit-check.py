#!/usr/bin/env python3
"""Recomputes the chains of Doorward's audit trail with nothing of Doorward's: an embedded store's file in, the first wrong place out.

Needs Python 3 alone. Signatures are left to `doorward audit verify`, or to any Ed25519 library (docs/audit.md).
"""
import hashlib
import json
import sqlite3
import struct
import sys


def of_parts(parts):
    """SHA-256 of parts, each after its length as 8 bytes, the highest first."""
    digest = hashlib.sha256()
    for part in parts:
        digest.update(struct.pack(">Q", len(part)))
        digest.update(part)
    return digest.digest()


def text(value):
    return value.encode("utf-8")


def number(value):
    return struct.pack(">q", value)


def optional(value):
    """A byte 0 for what is absent, a byte 1 before what is not."""
    if value is None:
        return b"\0"
    return b"\1" + (value if isinstance(value, bytes) else text(value))


def canonical(details):
    return json.dumps(json.loads(details), sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def hash_of(row, previous):
    parts = [b"doorward audit link 1", previous, text(row["chain"]), number(row["link"]), number(row["seq"]), text(row["id"])]
    parts += [number(row["at"]), text(row["kind"]), text(row["outcome"]), text(row["tenant"]), text(canonical(row["details"]))]
    names = ["reason", "actor", "target", "credential", "session", "source", "user_agent", "request_id", "actor_digest", "target_digest"]
    return of_parts(parts + [optional(row[name]) for name in names])


def part_of(row):
    parts = [b"doorward audit part 1", row["salt"], optional(row["person"]), optional(row["name"]), text(row["facts"])]
    return of_parts(parts)


def check(store):
    beginnings, erased, previous, expected = {}, set(), "0" * 64, 1
    for row in store.execute("SELECT number, body FROM audit_statements ORDER BY number"):
        statement = json.loads(row["body"])
        if (row["number"], statement["number"], statement["previous"]) != (expected, expected, previous):
            return f"statement {expected}"
        previous, expected = hashlib.sha256(text(row["body"])).hexdigest(), expected + 1
        if statement["kind"] == "retention":
            beginnings[statement["chain"]] = (statement["first_link"], bytes.fromhex(statement["before"]))
        if statement["kind"] == "erasure":
            for part in statement["parts"]:
                for first, last in part["links"]:
                    erased.update((part["chain"], part["part"], link) for link in range(first, last + 1))
    for head in store.execute("SELECT * FROM audit_heads WHERE link > 0 ORDER BY chain").fetchall():
        link, previous = beginnings.get(head["chain"], (1, bytes(32)))
        for row in store.execute("SELECT * FROM audit WHERE chain = ? ORDER BY link", (head["chain"],)).fetchall():
            place = f"chain {head['chain']}, link {link}"
            if row["link"] != link or row["form"] != 1 or hash_of(row, previous) != row["hash"]:
                return place
            for name in ["actor", "target"]:
                part = store.execute("SELECT * FROM audit_facts WHERE seq = ? AND part = ?", (row["seq"], name)).fetchone()
                gone = (head["chain"], name, link) in erased
                kept = row[name + "_digest"]
                if (kept is None) != (part is None) and not gone or part is not None and part_of(part) != kept:
                    return f"{place}, {name}"
            link, previous = link + 1, row["hash"]
        if (link - 1, previous) != (head["link"], head["hash"]):
            return f"chain {head['chain']}, link {link}"
    return None


def main():
    store = sqlite3.connect(f"file:{sys.argv[1]}?mode=ro", uri=True)
    store.row_factory = sqlite3.Row
    events = store.execute("SELECT count(*) FROM audit WHERE chain IS NOT NULL").fetchone()[0]
    broken = check(store)
    print(broken or f"{events} events are as they were written")
    sys.exit(1 if broken else 0)


main()

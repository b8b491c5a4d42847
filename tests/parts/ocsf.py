"""Judges events by OCSF's own definitions: `ocsf.py VERSION` reads one event a line and says of each what is wrong with it.

Refuses attributes that OCSF does not define, too: what is ours belongs into `unmapped`.
"""

import json
import sys

from jsonschema import Draft202012Validator, FormatChecker
from ocsf_json_schema import OcsfJsonSchemaEmbedded, get_ocsf_schema

definitions = get_ocsf_schema(version=sys.argv[1])
classes = OcsfJsonSchemaEmbedded(definitions)
validators = {}


def validator(uid, profiles):
    """Of a class, with the profiles that the event says it has."""
    if (uid, profiles) not in validators:
        schema = classes.get_class_schema(classes.lookup_class_name_from_uid(uid), profiles=list(profiles))
        validators[uid, profiles] = Draft202012Validator(schema, format_checker=FormatChecker())
    return validators[uid, profiles]


for line in sys.stdin:
    event = json.loads(line)
    judge = validator(event["class_uid"], tuple(event.get("metadata", {}).get("profiles", [])))
    wrong = [f"{error.json_path}: {error.message}" for error in judge.iter_errors(event)]
    if event["type_uid"] != event["class_uid"] * 100 + event["activity_id"]:
        wrong.append("type_uid is not of class and activity")
    print(json.dumps(wrong))

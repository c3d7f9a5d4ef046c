"""Validates TOML files by a JSON Schema: prints a list of mistakes for each file, as JSON."""

import json
import sys
from pathlib import Path

import tomllib
from jsonschema import Draft202012Validator

schema, *files = map(Path, sys.argv[1:])
validator = Draft202012Validator(json.loads(schema.read_text()))
Draft202012Validator.check_schema(validator.schema)
mistakes = {}
for file in files:
    try:
        found = validator.iter_errors(tomllib.loads(file.read_text()))
        mistakes[str(file)] = [f"{error.json_path}: {error.message}" for error in found]
    except tomllib.TOMLDecodeError as error:
        mistakes[str(file)] = [f"TOML: {error}"]
json.dump(mistakes, sys.stdout)

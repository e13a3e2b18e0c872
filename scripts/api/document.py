"""Judges the OpenAPI document with validators that know nothing of us: the document itself, and each example."""

import jsonschema
import openapi_spec_validator

SCHEMAS = "#/components/schemas/"


def faults(document):
    """What is wrong with a document."""
    found = [f"{list(error.absolute_path)}: {error.message}" for error in
             openapi_spec_validator.OpenAPIV31SpecValidator(document).iter_errors()]
    for path, item in document["paths"].items():
        for method, operation in item.items():
            place = f"{method.upper()} {path}"
            for tag in operation["tags"]:
                if tag not in [known["name"] for known in document["tags"]]:
                    found.append(f"{place}: the tag {tag!r} is not declared")
            holders = {"body": operation.get("requestBody", {})}
            holders |= {f"answer {status}": answer for status, answer in operation["responses"].items()}
            for what, holder in holders.items():
                for kind, content in holder.get("content", {}).items():
                    found += example_faults(f"{place}, {what}", kind, content, document)
    return found


def example_faults(place, kind, content, document):
    if kind == "application/json" and "schema" not in content and "openapi" not in place:
        return [f"{place}: JSON without a schema"]
    if "schema" not in content:
        return []
    if "example" not in content:
        return [] if kind.startswith("text/") else [f"{place} has no example"]
    schema = {**content["schema"], "components": document["components"]}
    errors = jsonschema.Draft202012Validator(schema).iter_errors(content["example"])
    return [f"{place}: the example's {error.json_path}: {error.message[:300]}" for error in errors]

"""Prints the plain CloudFormation that CloudFormation makes of a SAM template.

    translate.py TEMPLATE REGION

It works offline and without credentials: parameters take their defaults, and the
account is a made-up one. What SAM finds wrong goes to stderr, with exit code 1.
"""

import json
import sys

import boto3
from samtranslator.model.exceptions import InvalidDocumentException
from samtranslator.parser.parser import Parser
from samtranslator.translator.translator import Translator
from samtranslator.yaml_helper import yaml_parse

# Before sam package has uploaded it, code is a folder; the translation wants an
# object in a bucket.
CODE = {
    "AWS::Serverless::Function": "CodeUri",
    "AWS::Serverless::LayerVersion": "ContentUri",
}
PLACEHOLDER = "s3://placeholder/code.zip"

ACCOUNT = "123456789012"


def translate(text, region):
    """Returns the translated template as a dict."""
    template = yaml_parse(text)
    for resource in template.get("Resources", {}).values():
        key = CODE.get(resource.get("Type"))
        properties = resource.setdefault("Properties", {}) if key else {}
        if key and "InlineCode" not in properties and properties.get("PackageType") != "Image":
            properties[key] = PLACEHOLDER
    values = {name: p.get("Default") for name, p in template.get("Parameters", {}).items()}
    values["AWS::Region"] = region
    values["AWS::Partition"] = boto3.session.Session().get_partition_for_region(region)
    values["AWS::AccountId"] = ACCOUNT
    session = boto3.session.Session(region_name=region)
    return Translator({}, Parser(), boto_session=session).translate(template, values)


def main():
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    with open(sys.argv[1], encoding="utf-8") as file:
        text = file.read()
    try:
        translated = translate(text, sys.argv[2])
    except InvalidDocumentException as error:
        sys.exit("\n".join(cause.message for cause in error.causes))
    json.dump(translated, sys.stdout, indent=1, sort_keys=True, default=str)
    print()


if __name__ == "__main__":
    main()

// Package samtools has no code: beside this file lie the script that checks
// template.yaml with SAM CLI, cfn-lint and checkov, the translation to plain
// CloudFormation, and the versions of the tools. Its test sees to it that each tool
// still finds what it is there for.
package samtools

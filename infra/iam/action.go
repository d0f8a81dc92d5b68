package iam

import (
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// targets begin the X-Amz-Target of the services that are called by name.
var targets = map[Service][]string{
	DynamoDB: {"DynamoDB_20120810.", "DynamoDBStreams_20120810."},
	SQS:      {"AmazonSQS."},
	SSM:      {"AmazonSSM."},
}

// parts are the actions behind the parts of DynamoDB's transactions and batches.
var parts = map[string]string{
	"Get": "GetItem", "Put": "PutItem", "Update": "UpdateItem", "Delete": "DeleteItem", "ConditionCheck": "ConditionCheckItem",
}

// actionsOf are the IAM actions that a request needs, none if that is not known. The
// body is needed of DynamoDB's requests only.
func actionsOf(s Service, method string, path string, query url.Values, header http.Header, body []byte) []string {
	switch s {
	case S3:
		return s3Actions(method, path, query, header)
	case OpenSearch:
		return searchActions(method)
	}
	var operation string
	for _, prefix := range targets[s] {
		if name, ok := strings.CutPrefix(header.Get("X-Amz-Target"), prefix); ok {
			operation = name
		}
	}
	if operation == "" || strings.Trim(operation, letters) != "" {
		return nil
	}
	switch {
	case s == SQS:
		// Each form of a batch needs the action of the single form.
		operation = strings.TrimSuffix(operation, "Batch")
	case s == DynamoDB && strings.HasPrefix(operation, "Transact"):
		return transaction(body)
	case s == DynamoDB && strings.Contains(operation, "Statement"): // PartiQL: its text would have to be read
		return nil
	}
	return []string{string(s) + ":" + operation}
}

const letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"

// transaction are the actions of a transaction's parts.
func transaction(body []byte) []string {
	var request struct {
		TransactItems []map[string]json.RawMessage
	}
	if json.Unmarshal(body, &request) != nil {
		return nil
	}
	var actions []string
	for _, item := range request.TransactItems {
		for kind := range item {
			operation, ok := parts[kind]
			if !ok {
				return nil
			}
			actions = append(actions, string(DynamoDB)+":"+operation)
		}
	}
	slices.Sort(actions)
	return slices.Compact(actions)
}

// searchActions: a domain's policies know the method only.
func searchActions(method string) []string {
	switch method {
	case http.MethodGet, http.MethodHead, http.MethodPut, http.MethodPost, http.MethodDelete, http.MethodPatch:
		return []string{string(OpenSearch) + ":ESHttp" + method[:1] + strings.ToLower(method[1:])}
	}
	return nil
}

// s3Actions understands requests to a bucket's own path (/bucket/key), which is how
// clients talk to an endpoint that is not Amazon's.
func s3Actions(method, path string, query url.Values, header http.Header) []string {
	_, key, _ := strings.Cut(strings.TrimPrefix(path, "/"), "/")
	operation := bucketOperation(method, query)
	if key != "" {
		operation = objectOperation(method, query)
	}
	if operation == "" || path == "/" {
		return nil
	}
	actions := []string{string(S3) + ":" + operation}
	if operation != "PutObject" {
		return actions
	}
	// What else a write asks for is in its headers.
	for name, needed := range map[string]string{
		"X-Amz-Copy-Source": "GetObject", "X-Amz-Acl": "PutObjectAcl", "X-Amz-Tagging": "PutObjectTagging",
	} {
		if header.Get(name) != "" {
			actions = append(actions, string(S3)+":"+needed)
		}
	}
	slices.Sort(actions)
	return actions
}

// subresources are the queries that make another operation of a request. Anything else
// in a query, such as a signature or a content type for the answer, changes nothing.
var subresources = []string{
	"acl", "attributes", "cors", "delete", "encryption", "legal-hold", "lifecycle", "location", "object-lock", "partNumber",
	"policy", "restore", "retention", "select", "tagging", "torrent", "uploadId", "uploads", "versionId", "versioning", "versions",
}

// subresource is which of them a query has: "" for none, and all of them joined.
func subresource(query url.Values) string {
	var found []string
	for _, name := range subresources {
		if query.Has(name) {
			found = append(found, name)
		}
	}
	return strings.Join(found, " ")
}

func bucketOperation(method string, query url.Values) string {
	switch method + " " + subresource(query) {
	case "GET ", "HEAD ":
		return "ListBucket"
	case "GET uploads":
		return "ListBucketMultipartUploads"
	case "GET location":
		return "GetBucketLocation"
	case "GET versions":
		return "ListBucketVersions"
	case "POST delete":
		return "DeleteObject"
	case "PUT ":
		return "CreateBucket"
	case "DELETE ":
		return "DeleteBucket"
	}
	return ""
}

func objectOperation(method string, query url.Values) string {
	switch method + " " + subresource(query) {
	case "GET ", "HEAD ", "GET partNumber", "HEAD partNumber":
		return "GetObject"
	case "GET versionId", "HEAD versionId":
		return "GetObjectVersion"
	case "GET tagging":
		return "GetObjectTagging"
	case "PUT tagging":
		return "PutObjectTagging"
	case "PUT ", "POST uploads", "PUT partNumber uploadId", "POST uploadId":
		return "PutObject"
	case "GET uploadId":
		return "ListMultipartUploadParts"
	case "DELETE uploadId":
		return "AbortMultipartUpload"
	case "DELETE ":
		return "DeleteObject"
	case "DELETE versionId":
		return "DeleteObjectVersion"
	}
	return ""
}

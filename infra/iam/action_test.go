package iam

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
)

func TestActionsOf(t *testing.T) {
	const (
		dynamo = "DynamoDB_20120810."
		none   = ""
	)
	for _, c := range []struct {
		service       Service
		method, url   string
		header, value string
		body          string
		want          string // the actions, with blanks between
	}{
		{DynamoDB, "POST", "/", "X-Amz-Target", dynamo + "GetItem", `{}`, "dynamodb:GetItem"},
		{DynamoDB, "POST", "/", "X-Amz-Target", dynamo + "DescribeTimeToLive", `{}`, "dynamodb:DescribeTimeToLive"},
		{DynamoDB, "POST", "/", "X-Amz-Target", dynamo + "BatchGetItem", `{}`, "dynamodb:BatchGetItem"},
		{DynamoDB, "POST", "/", "X-Amz-Target", "DynamoDBStreams_20120810.GetRecords", `{}`, "dynamodb:GetRecords"},
		{DynamoDB, "POST", "/", "X-Amz-Target", dynamo + "TransactGetItems", `{"TransactItems":[{"Get":{}},{"Get":{}}]}`, "dynamodb:GetItem"},
		{DynamoDB, "POST", "/", "X-Amz-Target", dynamo + "TransactWriteItems",
			`{"TransactItems":[{"Update":{}},{"ConditionCheck":{}},{"Put":{}},{"Delete":{}},{"Put":{}}]}`,
			"dynamodb:ConditionCheckItem dynamodb:DeleteItem dynamodb:PutItem dynamodb:UpdateItem"},
		{DynamoDB, "POST", "/", "X-Amz-Target", dynamo + "TransactWriteItems", `{"TransactItems":[{"Put":{}},{"Move":{}}]}`, none},
		{DynamoDB, "POST", "/", "X-Amz-Target", dynamo + "TransactWriteItems", `{"TransactItems":`, none},
		{DynamoDB, "POST", "/", "X-Amz-Target", dynamo + "ExecuteStatement", `{}`, none},
		{DynamoDB, "POST", "/", "X-Amz-Target", "AmazonSQS.SendMessage", `{}`, none},
		{DynamoDB, "POST", "/", "X-Amz-Target", dynamo, `{}`, none},
		{DynamoDB, "POST", "/", "X-Amz-Target", dynamo + "Get*", `{}`, none},
		{DynamoDB, "POST", "/", "", "", `{}`, none},

		{SQS, "POST", "/", "X-Amz-Target", "AmazonSQS.SendMessage", ``, "sqs:SendMessage"},
		{SQS, "POST", "/", "X-Amz-Target", "AmazonSQS.DeleteMessageBatch", ``, "sqs:DeleteMessage"},
		{SQS, "POST", "/", "X-Amz-Target", "AmazonSQS.ChangeMessageVisibilityBatch", ``, "sqs:ChangeMessageVisibility"},
		{SSM, "POST", "/", "X-Amz-Target", "AmazonSSM.GetParameter", ``, "ssm:GetParameter"},
		{SSM, "POST", "/", "X-Amz-Target", "AmazonSQS.GetParameter", ``, none},

		{OpenSearch, "GET", "/", "", "", "", "es:ESHttpGet"},
		{OpenSearch, "HEAD", "/oip", "", "", "", "es:ESHttpHead"},
		{OpenSearch, "POST", "/_bulk", "", "", "", "es:ESHttpPost"},
		{OpenSearch, "PUT", "/oip", "", "", "", "es:ESHttpPut"},
		{OpenSearch, "DELETE", "/oip", "", "", "", "es:ESHttpDelete"},
		{OpenSearch, "TRACE", "/", "", "", "", none},

		{S3, "GET", "/b", "", "", "", "s3:ListBucket"},
		{S3, "GET", "/b/?list-type=2&prefix=x", "", "", "", "s3:ListBucket"},
		{S3, "HEAD", "/b", "", "", "", "s3:ListBucket"},
		{S3, "GET", "/b?uploads", "", "", "", "s3:ListBucketMultipartUploads"},
		{S3, "GET", "/b?location", "", "", "", "s3:GetBucketLocation"},
		{S3, "POST", "/b?delete", "", "", "", "s3:DeleteObject"},
		{S3, "PUT", "/b", "", "", "", "s3:CreateBucket"},
		{S3, "GET", "/b?lifecycle", "", "", "", none},
		{S3, "GET", "/", "", "", "", none},
		{S3, "GET", "/b/k/l", "", "", "", "s3:GetObject"},
		{S3, "HEAD", "/b/k", "", "", "", "s3:GetObject"},
		{S3, "GET", "/b/k?X-Amz-Signature=0&response-content-type=image%2Fpng&x-id=GetObject", "", "", "", "s3:GetObject"},
		{S3, "GET", "/b/k?versionId=1", "", "", "", "s3:GetObjectVersion"},
		{S3, "GET", "/b/k?torrent", "", "", "", none},
		{S3, "PUT", "/b/k", "", "", "", "s3:PutObject"},
		{S3, "PUT", "/b/k", "X-Amz-Copy-Source", "b/other", "", "s3:GetObject s3:PutObject"},
		{S3, "PUT", "/b/k", "X-Amz-Tagging", "a=b", "", "s3:PutObject s3:PutObjectTagging"},
		{S3, "PUT", "/b/k?partNumber=1&uploadId=u", "", "", "", "s3:PutObject"},
		{S3, "POST", "/b/k?uploads", "", "", "", "s3:PutObject"},
		{S3, "POST", "/b/k?uploadId=u", "", "", "", "s3:PutObject"},
		{S3, "GET", "/b/k?uploadId=u", "", "", "", "s3:ListMultipartUploadParts"},
		{S3, "DELETE", "/b/k?uploadId=u", "", "", "", "s3:AbortMultipartUpload"},
		{S3, "DELETE", "/b/k", "", "", "", "s3:DeleteObject"},
		{S3, "PUT", "/b/k?retention", "", "", "", none},

		{"sts", "POST", "/", "X-Amz-Target", "AWSSecurityTokenService.AssumeRole", ``, none},
	} {
		u, err := url.Parse(c.url)
		if err != nil {
			t.Fatal(err)
		}
		header := make(http.Header)
		header.Set(c.header, c.value)
		got := actionsOf(c.service, c.method, u.Path, u.Query(), header, []byte(c.body))
		if strings.Join(got, " ") != c.want {
			t.Errorf("%s %s %s %s: %q, want %q", c.service, c.method, c.url, c.value, got, c.want)
		}
	}
}

// FuzzTransaction: a body is a transaction with known parts, or of no known action.
func FuzzTransaction(f *testing.F) {
	for _, seed := range []string{`{"TransactItems":[{"Put":{}}]}`, `{"TransactItems":[{"Put":1,"Get":null}]}`, `[]`, `{"TransactItems":{}}`} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		actions := transaction(body)
		if len(actions) > len(parts) || !slices.IsSorted(actions) {
			t.Errorf("%q", actions)
		}
	})
}

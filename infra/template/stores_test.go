package template

import (
	"fmt"
	"slices"
	"time"

	"oipnode/shared/maintenance"
	"oipnode/shared/media/s3"
)

const (
	queueKind = "AWS::SQS::Queue"
	tableKind = "AWS::DynamoDB::Table"
	// visibility is how long a job must stay hidden from others, as AWS advises for a
	// function of the longest duration.
	visibility = 6 * functionLimit
)

// queueARN: a queue is meant by its ARN here; its Ref would be its URL.
func (c *checker) queueARN(what string, v any) {
	switch {
	case c.kind(ref(v)) == queueKind:
		c.fault("%s: %s is given by its URL, and its ARN is needed", what, ref(v))
	case c.kind(attribute(v, "Arn")) != queueKind:
		c.fault("%s: there is no queue of the template", what)
	}
}

// queues: each is encrypted and talks TLS only, and one that has jobs has a place for
// those that fail.
func (c *checker) queues() {
	withDeadLetters := 0
	for _, id := range c.ofKind(queueKind) {
		p := c.resource(id, "Properties")
		if at(p, "SqsManagedSseEnabled") != true && at(p, "KmsMasterKeyId") == nil {
			c.fault("%s: it is not encrypted", id)
		}
		if !c.tlsOnly("AWS::SQS::QueuePolicy", "Queues", id) {
			c.fault("%s: no policy keeps plain HTTP out", id)
		}
		redrive := at(p, "RedrivePolicy")
		if redrive == nil {
			continue
		}
		withDeadLetters++
		c.queueARN(id+": RedrivePolicy", at(redrive, "deadLetterTargetArn"))
		if attribute(at(redrive, "deadLetterTargetArn"), "Arn") == id {
			c.fault("%s: it is its own dead-letter queue", id)
		}
		if n, _ := at(redrive, "maxReceiveCount").(int); n < 2 {
			c.fault("%s: maxReceiveCount is %d; a job needs more than one chance", id, n)
		}
		if s, _ := at(p, "VisibilityTimeout").(int); time.Duration(s)*time.Second < visibility {
			c.fault("%s: VisibilityTimeout is %d s, at least %.0f are needed", id, s, visibility.Seconds())
		}
	}
	if withDeadLetters == 0 {
		c.fault("no queue has dead letters")
	}
}

// tlsOnly reports whether a policy of that kind names the resource and denies
// everything to whoever comes without TLS.
func (c *checker) tlsOnly(kind, property, id string) bool {
	return slices.ContainsFunc(c.ofKind(kind), func(policy string) bool {
		p := c.resource(policy, "Properties")
		if !slices.ContainsFunc(list(at(p, property)), func(v any) bool { return ref(v) == id }) {
			return false
		}
		return slices.ContainsFunc(list(at(p, "PolicyDocument", "Statement")), func(s any) bool {
			return at(s, "Effect") == "Deny" && at(s, "Principal") == "*" &&
				at(s, "Condition", "Bool", "aws:SecureTransport") == "false" &&
				slices.ContainsFunc(list(at(s, "Resource")), func(v any) bool { return attribute(v, "Arn") == id })
		})
	})
}

// retained: neither deleting the stack nor replacing the resource loses it.
func (c *checker) retained(id string) {
	for _, policy := range []string{"DeletionPolicy", "UpdateReplacePolicy"} {
		if v := c.resource(id, policy); v != "Retain" {
			c.fault("%s: %s is %v, must be Retain", id, policy, v)
		}
	}
}

// table: nothing of the state can be lost, and what expires leaves a trace in the
// stream. That the keys are right is shown by opening such a table.
func (c *checker) table() {
	tables := c.ofKind(tableKind)
	if len(tables) != 1 {
		c.fault("there are %d tables, must be one", len(tables))
	}
	for _, id := range tables {
		p := c.resource(id, "Properties")
		c.retained(id)
		for _, want := range []struct {
			path  []string
			value any
		}{
			{[]string{"BillingMode"}, "PAY_PER_REQUEST"},
			{[]string{"TimeToLiveSpecification", "Enabled"}, true},
			{[]string{"StreamSpecification", "StreamViewType"}, "NEW_AND_OLD_IMAGES"},
			{[]string{"PointInTimeRecoverySpecification", "PointInTimeRecoveryEnabled"}, true},
		} {
			if got := at(p, want.path...); got != want.value {
				c.fault("%s: %v is %v, must be %v", id, want.path, got, want.value)
			}
		}
	}
}

// bucket: what is in it is encrypted, private, and reached by TLS; what was left
// unfinished goes away by itself.
func (c *checker) bucket() {
	buckets := c.ofKind("AWS::S3::Bucket")
	if len(buckets) != 1 {
		c.fault("there are %d buckets, must be one", len(buckets))
	}
	for _, id := range buckets {
		p := c.resource(id, "Properties")
		c.retained(id)
		for _, name := range []string{"BlockPublicAcls", "BlockPublicPolicy", "IgnorePublicAcls", "RestrictPublicBuckets"} {
			if at(p, "PublicAccessBlockConfiguration", name) != true {
				c.fault("%s: %s is not on", id, name)
			}
		}
		if len(list(at(p, "BucketEncryption", "ServerSideEncryptionConfiguration"))) == 0 {
			c.fault("%s: it is not encrypted", id)
		}
		if !c.tlsOnly("AWS::S3::BucketPolicy", "Bucket", id) {
			c.fault("%s: no policy keeps plain HTTP out", id)
		}
		expires, aborts := false, false
		for _, rule := range list(at(p, "LifecycleConfiguration", "Rules")) {
			if at(rule, "Status") != "Enabled" {
				continue
			}
			aborts = aborts || at(rule, "AbortIncompleteMultipartUpload", "DaysAfterInitiation") == 1 && at(rule, "Prefix") == nil
			if at(rule, "ExpirationInDays") == nil {
				continue
			}
			switch prefix := at(rule, "Prefix"); prefix {
			case s3.TempPrefix:
				expires = expires || at(rule, "ExpirationInDays") == 1
			case maintenance.ProfileKind + "/": // what an operator has looked at
			default:
				c.fault("%s: objects below %q expire, which are no temporary ones", id, fmt.Sprint(prefix))
			}
		}
		if !aborts {
			c.fault("%s: unfinished uploads stay for ever", id)
		}
		if !expires {
			c.fault("%s: temporary objects stay for ever", id)
		}
	}
}

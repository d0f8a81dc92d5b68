package template

import (
	"os"
	"strings"
	"testing"
)

// TestFaults breaks the template in one place after the other. Each must be found, or
// the check behind it would be void.
func TestFaults(t *testing.T) {
	good := load(t).text
	repository := os.DirFS(root)
	for _, c := range []struct {
		// name, and what takes the place of what: all of it.
		name, old, new string
		// says is part of the fault's sentence.
		says string
	}{
		{"an unknown folder", "KeepdbFunction", "KeepFunction", "functions/keep/main.go is not there"},
		{"a folder is not deployed", "KeepdbFunction", "KeepFunction", "functions/keepdb is not in the template"},
		{"no target", "KeepdbFunction", "KeepFunction", "no target build-KeepFunction"},
		{"another code", "CodeUri: .", "CodeUri: functions/api", "CodeUri is"},
		{"another build", "BuildMethod: makefile", "BuildMethod: go1.x", "BuildMethod is not makefile"},
		{"another processor", "Architectures: [arm64]", "Architectures: [x86_64]", "must be arm64"},
		{"another runtime", "provided.al2023", "go1.x", "Runtime is go1.x"},
		{"no traces", "Tracing: Active", "Tracing: PassThrough", "Tracing is PassThrough"},

		{"a shared log", "LogGroup: !Ref KeepdbLogs", "LogGroup: !Ref ApiLogs", "share the log group ApiLogs"},
		{"no log group", "LoggingConfig: { LogGroup: !Ref KeepdbLogs }", "ReservedConcurrentExecutions: 1", "no log group of the template"},
		{"an eternal log", "RetentionInDays: !Ref LogRetentionDays", "LogGroupClass: STANDARD", "for ever"},

		{"a slow API", "Timeout: 29 ", "Timeout: 30 ", "API Gateway gives up"},
		{"an impatient gateway", "TimeoutInMillis: 30000", "TimeoutInMillis: 20000", "API Gateway waits 20s"},
		{"a cycle as long as the interval", "Timeout: 270", "Timeout: 300", "the schedule can call again after 5m0s"},
		{"an interval below the cycle", "Default: 5, MinValue: 5, MaxValue: 60", "Default: 5, MinValue: 2, MaxValue: 60", "call again after 2m0s"},
		{"one minutes", "Default: 5, MinValue: 5, MaxValue: 60", "Default: 5, MinValue: 1, MaxValue: 60", "singular for 1"},
		{"no bounds", "Default: 5, MinValue: 5, MaxValue: 60", "Default: 5, AllowedValues: [5]", "no bounds"},
		{"no rate", "rate(${KeepdbMinutes} minutes)", "rate(${KeepdbMinutes} min)", "is not rate(N minutes)"},
		{"a wrong number", "!Sub rate(${KeepdbMinutes} minutes)", "rate(0 minutes)", "is not rate(N minutes)"},
		{"two schedules", "Description: Starts a look whether the summary is due.\n            OmitName: true\n            ScheduleExpression: !Sub rate(${KeepdbMinutes} minutes)",
			"Description: Starts a look whether the summary is due.\n            OmitName: true\n            ScheduleExpression: rate(1 hour)", "must have the same schedule"},
		{"an old kind of schedule", "Type: ScheduleV2", "Type: Schedule", "use ScheduleV2"},
		{"a named schedule", "OmitName: true", "OmitName: false", "OmitName is not set"},
		{"old events", "MaximumEventAgeInSeconds: 240", "MaximumEventAgeInSeconds: 3600", "MaximumEventAgeInSeconds is 3600"},
		{"retries", "MaximumRetryAttempts: 0", "MaximumRetryAttempts: 2", "MaximumRetryAttempts must be 0"},
		{"the scheduler's default retries", "MaximumEventAgeInSeconds: 240, MaximumRetryAttempts: 0", "MaximumEventAgeInSeconds: 240", "RetryPolicy: MaximumRetryAttempts must be 0"},
		{"a queue's URL", "DeadLetterConfig: { Arn: !GetAtt FailureQueue.Arn }", "DeadLetterConfig: { Arn: !Ref FailureQueue }", "given by its URL"},
		{"no failure queue", "DeadLetterConfig: { Arn: !GetAtt FailureQueue.Arn }", "FlexibleTimeWindow: { Mode: 'OFF' }", "DeadLetterConfig: there is no queue"},
		{"no destination", "OnFailure: { Type: SQS, Destination: !GetAtt FailureQueue.Arn }", "OnFailure: { Type: SQS, Destination: !Ref FailureQueue }", "EventInvokeConfig: FailureQueue is given by its URL"},
		{"no scheduler's role", "RoleArn: !GetAtt SchedulerRole.Arn", "GroupName: others", "no role of the template"},
		{"a scheduler that may not", "Action: lambda:InvokeFunction", "Action: lambda:GetFunction", "does not allow lambda:InvokeFunction"},
		{"a word that the scheduler does not know", "<aws.scheduler.scheduled-time>", "<aws.scheduler.time>", "does not know <aws.scheduler.time>"},
		{"an input that is no JSON", `Input: '{"schedule"`, `Input: '{schedule`, "not a JSON object"},

		{"a table in place of its stream", "Stream: !GetAtt StateTable.StreamArn", "Stream: !GetAtt StateTable.Arn", "no StreamArn of a table"},
		{"a table without a stream", "StreamSpecification:", "Tags:", "no StreamArn of a table"},
		{"another place to start", "StartingPosition: TRIM_HORIZON", "StartingPosition: AT_TIMESTAMP", "StartingPosition is AT_TIMESTAMP"},
		{"whole batches again", "FunctionResponseTypes: [ReportBatchItemFailures]", "ParallelizationFactor: 1", "its whole batch come again"},
		{"batches in one piece", "BisectBatchOnFunctionError: true", "BisectBatchOnFunctionError: false", "hold up all others"},
		{"tries for ever", "MaximumRetryAttempts: 50", "MaximumRetryAttempts: -1", "MaximumRetryAttempts is -1"},
		{"tries by default", "MaximumRetryAttempts: 50", "ParallelizationFactor: 1", "MaximumRetryAttempts is 0"},
		{"records older than the stream", "MaximumRecordAgeInSeconds: 43200", "MaximumRecordAgeInSeconds: 86400", "MaximumRecordAgeInSeconds is 24h"},
		{"endless batches", "BatchSize: 1000", "BatchSize: 10000", "BatchSize is 10000"},
		{"a stream without a failure queue", "DestinationConfig: { OnFailure: { Type: SQS,", "DestinationConfig: { OnSuccess: { Type: SQS,", "what failed goes to no queue"},
		{"a filter that is no JSON", `'{"eventName":`, `'{eventName:`, "not a JSON object"},
		{"a filter of bare texts", `{"eventName":["REMOVE"]`, `{"eventName":"REMOVE"`, "eventName is neither a list"},
		{"no filter", "FilterCriteria:", "Tags:", "it has no filter"},
		{"a stream that Lambda cannot read", "dynamodb:GetRecords, ", "", "does not allow dynamodb:GetRecords"},
		{"streams that Lambda cannot list", "${StateTable.Arn}/stream/*", "${StateTable.Arn}/index/*", "does not allow dynamodb:ListStreams"},
		{"streams of every table", "${StateTable.Arn}/stream/*", "arn:${AWS::Partition}:dynamodb:${AWS::Region}:${AWS::AccountId}:table/*/stream/*", "is more than one resource"},

		{"old events of a minute", "MaximumEventAgeInSeconds: 60", "MaximumEventAgeInSeconds: 240", "MaximumEventAgeInSeconds is 240, must be 60"},
		{"a pass as long as the minute", "Timeout: 50 ", "Timeout: 60 ", "the schedule can call again after 1m0s"},
		{"a trigger by URL", "Queue: !GetAtt GunQueue.Arn", "Queue: !Ref GunQueue", "GunQueue is given by its URL"},
		{"a trigger without dead letters", "Queue: !GetAtt GunQueue.Arn", "Queue: !GetAtt FailureQueue.Arn", "a bad message comes for ever"},
		{"messages that come while it works", "VisibilityTimeout: 5400\n      MessageRetentionPeriod: 86400", "VisibilityTimeout: 240\n      MessageRetentionPeriod: 86400", "less than 6 times the function's 50s"},
		{"messages that vanish", "MessageRetentionPeriod: 86400", "MessageRetentionPeriod: 3600", "which is over before its 3 tries"},
		{"batches of messages", "BatchSize: 1\n", "BatchSize: 10\n", "BatchSize is 10, and one message makes all"},
		{"any number of passes", "ScalingConfig: { MaximumConcurrency: 2 }", "MaximumBatchingWindowInSeconds: 0", "MaximumConcurrency is 0"},
		{"a queue that Lambda cannot read", "sqs:GetQueueAttributes, sqs:ReceiveMessage", "sqs:GetQueueAttributes", "does not allow sqs:ReceiveMessage"},

		{"jobs in batches", "BatchSize: 1 #", "BatchSize: 10 #", "share the time of one call"},
		{"jobs that come all again", "BatchSize: 1 # each file has the whole time of an invocation\n            FunctionResponseTypes: [ReportBatchItemFailures]", "BatchSize: 1", "the pause after a failed try"},
		{"a job that waits", "BatchSize: 1 #", "MaximumBatchingWindowInSeconds: 5\n            BatchSize: 1 #", "need not wait"},
		{"a queue by URL", "Queue: !GetAtt MediaQueue.Arn", "Queue: !Ref MediaQueue", "MediaQueue is given by its URL"},
		{"a queue without dead letters", "Queue: !GetAtt MediaQueue.Arn", "Queue: !GetAtt FailureQueue.Arn", "its queue FailureQueue has no dead letters"},
		{"a queue that gives up first", "maxReceiveCount: 5", "maxReceiveCount: 4", "without a reason"},
		{"no bound of the fetches", "ScalingConfig: { MaximumConcurrency: !Ref MediaConcurrency }", "Enabled: true", "MaximumConcurrency is 0"},
		{"a queue that Lambda cannot read", "sqs:ReceiveMessage", "sqs:ListQueues", "does not allow sqs:ReceiveMessage"},
		{"every object", "${MediaBucket.Arn}/content/*", "${MediaBucket.Arn}/*", "is more than one resource"},
		{"the bucket's own policy", "Action: [s3:AbortMultipartUpload, s3:DeleteObject, s3:GetObject, s3:PutObject]", "Action: [s3:PutBucketPolicy]", "is more than one resource"},

		{"a plain queue", "SqsManagedSseEnabled: true", "SqsManagedSseEnabled: false", "MediaQueue: it is not encrypted"},
		{"HTTP to a queue", "Queues: [!Ref MediaQueue, ", "Queues: [", "MediaQueue: no policy keeps plain HTTP out"},
		{"dead letters by URL", "deadLetterTargetArn: !GetAtt MediaDeadLetters.Arn", "deadLetterTargetArn: !Ref MediaDeadLetters", "MediaDeadLetters is given by its URL"},
		{"dead letters in a circle", "deadLetterTargetArn: !GetAtt MediaDeadLetters.Arn", "deadLetterTargetArn: !GetAtt MediaQueue.Arn", "its own dead-letter queue"},
		{"one chance", "maxReceiveCount: 5", "maxReceiveCount: 1", "more than one chance"},
		{"a short visibility", "VisibilityTimeout: 5400", "VisibilityTimeout: 900", "VisibilityTimeout is 900 s, at least 5400"},
		{"no dead letters", "RedrivePolicy:", "RedriveAllowPolicy:", "no queue has dead letters"},

		{"a table that goes", "DeletionPolicy: Retain", "DeletionPolicy: Delete", "StateTable: DeletionPolicy is Delete"},
		{"a table that is replaced", "UpdateReplacePolicy: Retain", "UpdateReplacePolicy: Snapshot", "StateTable: UpdateReplacePolicy is Snapshot"},
		{"no time to live", "AttributeName: expires, Enabled: true", "AttributeName: expires, Enabled: false", "[TimeToLiveSpecification Enabled] is false"},
		{"no old images", "NEW_AND_OLD_IMAGES", "NEW_IMAGE", "StreamViewType] is NEW_IMAGE"},
		{"no recovery", "PointInTimeRecoveryEnabled: true", "PointInTimeRecoveryEnabled: false", "PointInTimeRecoveryEnabled] is false"},
		{"a table of fixed size", "PAY_PER_REQUEST", "PROVISIONED", "BillingMode"},

		{"a public bucket", "BlockPublicPolicy: true", "BlockPublicPolicy: false", "BlockPublicPolicy is not on"},
		{"HTTP to the bucket", "Resource: [!GetAtt MediaBucket.Arn, ", "Resource: [", "MediaBucket: no policy keeps plain HTTP out"},
		{"plain HTTP only denied", `"aws:SecureTransport": "false"`, `"aws:SecureTransport": "true"`, "MediaBucket: no policy keeps plain HTTP out"},
		{"eternal uploads", "DaysAfterInitiation: 1", "DaysAfterInitiation: 100", "unfinished uploads"},
		{"media that expires", "Prefix: _temp/", "Prefix: media/", `objects below "media/" expire`},
		{"all expires", "Prefix: _temp/, ", "", "which are no temporary ones"},
		{"eternal temporary objects", "ExpirationInDays: 1", "ExpirationInDays: 10", "temporary objects stay"},
		{"a plain bucket", "BucketEncryption:", "BucketTag:", "MediaBucket: it is not encrypted"},

		{"an old TLS", "Policy-Min-TLS-1-2-PFS-2023-10", "Policy-Min-TLS-1-0-2019-07", "must be of TLS 1.2"},
		{"HTTP to the domain", "EnforceHTTPS: true", "EnforceHTTPS: false", "EnforceHTTPS is not on"},
		{"a plain domain", "EncryptionAtRestOptions: { Enabled: true }", "EncryptionAtRestOptions: { Enabled: false }", "EncryptionAtRestOptions.Enabled is not on"},
		{"one role too few", "aws:PrincipalArn: [!GetAtt ApiRole.Arn, ", "aws:PrincipalArn: [", "Domain: it is open to"},
		{"one role too many", "aws:PrincipalArn: [", "aws:PrincipalArn: [!GetAtt SchedulerRole.Arn, ", "Domain: it is open to"},
		{"an open domain", "Effect: Deny\n            Principal: { AWS: \"*\" }", "Effect: Allow\n            Principal: { AWS: \"*\" }", "Domain: it is open to"},

		{"no throttling", "ThrottlingRateLimit: !Ref ThrottleRate", "DetailedMetricsEnabled: true", "ThrottlingRateLimit is not set"},
		{"no access log", "DestinationArn: !GetAtt AccessLogs.Arn", "DestinationArn: !Ref AccessLogs", "has no group of the template"},
		{"an access log of text", `"ip":"$context`, `"ip":$context`, "no JSON"},
		{"a log of who reads what", "$context.httpMethod", "$context.path", "the access log has $context.path"},
		{"a log of queries", "$context.httpMethod", "$request.querystring.streamKey", "the access log has $request.querystring.streamKey"},

		{"a shared role", "Role: !GetAtt KeepdbRole.Arn", "Role: !GetAtt ApiRole.Arn", "share the role ApiRole"},
		{"no role", "Role: !GetAtt KeepdbRole.Arn", "Policies: [AmazonDynamoDBFullAccess]", "no role of the template"},
		{"policies beside a role", "Role: !GetAtt KeepdbRole.Arn", "Role: !GetAtt KeepdbRole.Arn\n      Policies: [AmazonDynamoDBFullAccess]", "no effect beside a role"},
		{"managed policies", "      Policies:\n        - PolicyName: function", "      ManagedPolicyArns: [x]\n      Policies:\n        - PolicyName: function", "managed policies allow more"},
		{"every action", "dynamodb:Query]", "dynamodb:*]", "dynamodb:* is more than one action"},
		{"every table", "Resource: !GetAtt StateTable.Arn", `Resource: "*"`, "allows all of them"},
		{"every log", "Resource: !GetAtt KeepdbLogs.Arn", `Resource: "*"`, "allows all of them"},
		{"another's log", "Resource: !GetAtt KeepdbLogs.Arn", "Resource: !GetAtt ApiLogs.Arn", "KeepdbRole: logs:PutLogEvents must be allowed on KeepdbLogs"},
		{"no traces allowed", "xray:PutTraceSegments", "xray:GetGroup", "so there are no traces"},
		{"no failure allowed", "Sid: ServiceFailures, Effect: Allow, Action: sqs:SendMessage", "Sid: ServiceFailures, Effect: Allow, Action: sqs:ReceiveMessage", "sqs:SendMessage must be allowed on FailureQueue"},
		{"code behind a Service statement", "Sid: State,", "Sid: ServiceState,", "dynamodb:GetItem is not for Lambda itself"},
		{"a statement without a name", "{ Sid: State, ", "{ ", "has a Sid"},
		{"some parameters", ":parameter${JwtSecretParameter}", ":parameter/*", "is more than one resource"},
		{"a key without a condition", "Condition:\n                    StringEquals:\n                      kms", "Ignored:\n                    StringEquals:\n                      kms", "is more than one resource"},
		{"deletes in the domain", "Action: [es:ESHttpGet, es:ESHttpPost]", "Action: [es:ESHttpGet, es:ESHttpDelete]", "is more than one resource"},
		{"another node's indexes", "/${OpenSearchIndex}-*", "/*", "is more than one resource"},
		{"a role for everybody", "Service: lambda.amazonaws.com", "Service: ec2.amazonaws.com", "trusted to lambda.amazonaws.com alone"},
		{"a scheduler of any account", `"aws:SourceAccount": !Ref "AWS::AccountId"`, `"aws:SourceAccount": !Ref "AWS::Region"`, "scheduler of any account"},

		{"no sentence", "The least important line that the functions log.", "log level", "LogLevel: Description is no sentence"},
		{"no default", "{ Type: String, Default: info, AllowedValues", "{ Type: String, AllowedValues", "LogLevel: it has no default"},
		{"no bounds of a number", "Default: 20, MinValue: 10, MaxValue: 3000", "Default: 20", "nowhere what is allowed"},
		{"a default that is not allowed", "Default: t3.small.search", "Default: t3.small", `its default "t3.small" is not allowed`},
		{"an unreadable pattern", `AllowedPattern: "([0-9]{1,6}(ms`, `AllowedPattern: "([0-9]{1,6(ms(`, "WarmInterval: AllowedPattern"},
		{"another default than the program's", "Default: 720", "Default: 721", "WarmBlocks: its default 721 is not that of WARM_BLOCKS"},
		{"a value that the program refuses", "Default: 18, MinValue: 1", "Default: 18, MinValue: 0", "Confirmations: 0 is allowed, but CONFIRMATIONS must be"},
		{"a choice that the program refuses", "[debug, info, warn, error]", "[debug, info, warn, error, fatal]", "LogLevel: fatal is allowed, but LOG_LEVEL must be"},
		{"a wrong name", "COLD_RESCAN: ", "COLD_SCAN: ", "COLD_SCAN is no variable"},
		{"a variable without a function", "COLD_RESCAN: ", "COLD_SCAN: ", "COLD_RESCAN: no function gets it"},
		{"a variable without effect", "COLD_RESCAN: !Ref ColdRescan", "KEEP_DB_DELAY: 1", "KEEP_DB_DELAY is set, although it does nothing"},
		{"a secret", "JWT_SECRET_PARAMETER: !Ref", "JWT_SECRET: !Ref", "JWT_SECRET is set, although"},
		{"a large environment", "MaxLength: 900", "MaxLength: 4000", "Lambda takes 4096"},

		{"an alarm that tells nobody", "AlarmActions: [!Ref AlarmTopic]", "AlarmActions: []", "AlarmActions must be AlarmTopic alone"},
		{"an alarm without a metric", "MetricName: LagBlocks", "MetricName: LagBlock", "KeepdbFunction has no metric OIPNode LagBlock"},
		{"another metric of the function", "MetricName: LagBlocks", "MetricName: LedgerData", "no alarm for the lag"},
		{"a metric that nobody records", "MetricName: LagBlocks", "MetricName: APILatency", "KeepdbFunction never records APILatency"},
		{"a namespace that is none", "Namespace: AWS/SQS", "Namespace: AWS/SNS", "has no metric AWS/SNS"},
		{"a metric that AWS does not have", "MetricName: ReadThrottleEvents", "MetricName: ThrottledRequests", "StateTable has no metric AWS/DynamoDB ThrottledRequests"},
		{"a queue's URL for its name", "Value: !GetAtt FailureQueue.QueueName", "Value: !Ref FailureQueue", "the metrics of FailureQueue have the dimension QueueName"},
		{"another dimension", "{ Name: ApiId, Value: !Ref Api }", "{ Name: ApiName, Value: !Ref Api }", "the metrics of Api have the dimension ApiId"},
		{"a stream that is none", "MetricName: IteratorAge", "MetricName: Errors", "no alarm for the stream of ExpiryFunction"},
		{"the age of no stream", "MetricName: Invocations", "MetricName: IteratorAge", "KeepdbFunction reads no stream"},
		{"a divisor that is no timeout", "100 * took / 29000", "100 * took / 30000", "the timeout of ApiFunction is 29000 ms"},
		{"a threshold in the template", "Threshold: !Ref AlarmServerErrors", "Threshold: 10", "ServerErrorsAlarm: no parameter says when it goes off"},
		{"a threshold without a default", "{ Type: Number, Default: 10, MinValue: 0", "{ Type: Number, MinValue: 0", "AlarmServerErrors is no number with a default"},
		{"a window of days", "Default: 2, MinValue: 2, MaxValue: 24", "Default: 2, MinValue: 2, MaxValue: 48", "KeepdbStaleAlarm: 48 periods of 3600 s"},
		{"a window as short as the interval", "Default: 2, MinValue: 2, MaxValue: 24", "Default: 2, MinValue: 1, MaxValue: 24", "KeepdbStaleAlarm: 1h0m0s are no longer than"},
		{"silence that is well", "TreatMissingData: breaching", "TreatMissingData: notBreaching", "silence must be breaching"},
		{"an alarm for what is switched off", "Alarm, Condition: HasGun,", "Alarm,", "GunsyncStaleAlarm: its condition must be that of the schedule, HasGun"},
		{"no alarm of memory", "Threshold: !Ref MemoryCritical", "Threshold: !Ref MemoryWarning", "no alarm for no memory of ApiFunction"},
		{"an alarm that nobody explains", "StreamAgeAlarm:", "StreamAlarm:", "StreamAlarm: the README's playbook has no entry"},
		{"an entry without an alarm", "StreamAgeAlarm:", "StreamAlarm:", "the playbook has StreamAgeAlarm, which is no alarm"},
		{"a dashboard that is no JSON", `{"widgets":[`, `{"widgets":`, "its body is no dashboard"},
		{"a dashboard of what there is not", `["OIPNode","LagBlocks",`, `["OIPNode","Lag",`, "Dashboard: KeepdbFunction has no metric OIPNode Lag"},
		{"fields on each other", `"x":8,"y":0,`, `"x":7,"y":0,`, "lie on each other"},

		{"a region", "!Sub rate(${KeepdbMinutes} minutes)", "eu-central-1", `"eu-central-1" is a region`},
		{"a partition", "arn:${AWS::Partition}:ssm", "arn:aws:ssm", `"arn:aws" is a partition`},
		{"an account", "${AWS::AccountId}:root", "123456789012:root", `"123456789012" is an account`},
		{"a host", "ssm.${AWS::Region}.${AWS::URLSuffix}", "ssm.${AWS::Region}.amazonaws.com", "in one partition only"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if !strings.Contains(good, c.old) {
				t.Fatalf("%q is not in the template", c.old)
			}
			broken, err := Parse([]byte(strings.ReplaceAll(good, c.old, c.new)))
			if err != nil {
				t.Fatal(err)
			}
			faults := strings.Join(broken.faults(repository), "\n")
			if !strings.Contains(faults, c.says) {
				t.Errorf("want %q among:\n%s", c.says, faults)
			}
		})
	}
}

// A repository that lacks what the template needs is at fault too.
func TestFaultsOfTheRepository(t *testing.T) {
	faults := strings.Join(load(t).faults(os.DirFS(t.TempDir())), "\n")
	for _, want := range []string{"Makefile: ", "functions/api/main.go is not there", "the repository has no functions"} {
		if !strings.Contains(faults, want) {
			t.Errorf("want %q among:\n%s", want, faults)
		}
	}
}

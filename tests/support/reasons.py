"""Why each finding of the scanners that remains does remain: for the tests, and for docs/security.md."""

#: Rule of a pack of cdk-nag (without the name of the pack), of cfn-lint or cfripper -> why what it finds stays.
REASONS = {
    "CloudWatchLogGroupEncrypted": "without a key of yours CloudWatch Logs encrypts log groups with its own; they hold no "
    "bodies, headers or tokens",
    "IAM5[Resource::*]": "X-Ray has no resources to name: xray:PutTraceSegments and PutTelemetryRecords only; of functions in "
    "a VPC, the network interfaces of Lambda too, which their own code is denied; of state machines, the delivery of logs",
    "IAM5[Resource::<ImportsBucketB463A28B.Arn>/incoming/*]": "objects have no names before they are uploaded: those below "
    "the prefix of the pattern, to be read",
    "IAM5[Resource::<ImportsOutputBucket26721170.Arn>/results/*]": "a result is named after its object: those of this folder, "
    "to be written and not read",
    "IAM5[Resource::<ImportsOutputBucket26721170.Arn>/thumbnails/*]": "the same",
    "IAM5[Resource::<CustomersFailureBucket5EACF674.Arn>/aws/lambda/*]": "Lambda names the object of what it gives up: those "
    "of this folder, to be written and not read",
    "IAM5[Resource::<CustomersFailureBucket5EACF674.Arn>/records/*]": "a record that nobody can take is named after its id: "
    "those of this folder, to be written and not read",
    "KDS3": "the stream has the customer managed key that it was given, which is more than the one that AWS manages",
    "IAM5[Resource::arn:<AWS::Partition>:states:<AWS::Region>:<AWS::AccountId>:execution:<SalesStateMachine801837E4>:*]": "an "
    "execution is named after its order: those of this state machine, to be looked at and not changed",
    "IAM5[Resource::arn:aws:states:eu-central-1:<AWS::AccountId>:execution:<SalesStateMachine801837E4>:*]": "the same",
    "IAM5[Resource::<DailySalesBucket948F3C60.Arn>/reports/*]": "a report has no name before its day: those of this folder",
    "LambdaConcurrency": "reserved concurrency throttles, and burns tries of messages: an API's throttle and the most batches "
    "that the poller of a queue starts at once are the limits",
    "LambdaDLQ": "a function behind an API, or a step of a workflow, answers with its failure; a queue keeps what its worker "
    "could not do; an event of SNS or S3 goes to a destination on failure, which keeps the reason too",
    "LambdaEventSourceMappingDestination": "destinations are for streams: a queue has its dead-letter queue",
    "LambdaInsideVPC": "functions reach public endpoints only: a VPC would add a NAT gateway and protect nothing",
    "VPC7": "nothing leads in or out of the VPC: a database and nothing else, which is asked through the Data API",
    "VPCFlowLogsEnabled": "the same",
    "VPCDefaultSecurityGroupClosed": "nothing is in the default group; closing it takes a function that may change groups",
    "RDS10": "what goes with its stack must not be protected from it: the database of local, dev and staging",
    "RDSInstanceDeletionProtectionEnabled": "the same",
    "RDSEnhancedMonitoringEnabled": "metrics of the operating system need a role with a policy that AWS manages, and have a "
    "price: the database is asked once a day",
    "CloudWatchAlarmAction": "the alarms of local and dev notify nobody on purpose: nobody is on call for them",
    "COG4": "authorization is IAM by default, or a token of the issuer that the user names",
    "APIG3": "WAF is the account's choice and has a price for each rule: the exposed API takes a web ACL",
    "APIGWAssociatedWithWAF": "the same",
    "APIGWCacheEnabledAndEncrypted": "no cache: an answer that depends on the caller must not be cached",
    "APIGWSSLEnabled": "client certificates authenticate API Gateway to HTTP back ends: these are functions and SQS",
    "S1": "access logs need a bucket of the account's, whose own would need another one: BucketOptions(access_logs=) takes it",
    "S3BucketLoggingEnabled": "the same",
    "S3BucketReplicationEnabled": "S3 keeps objects in three zones; another region is the user's choice of where data may be, "
    "and a second deployment; old versions are kept for 90 days",
    "S3DefaultEncryptionKMS": "S3 encrypts with a key of its own; encryption_key= takes a customer managed one, with its price",
    "SMG4": "the key is a payment provider's: there is no function that could rotate it there; a new one is put by hand; who "
    "may read a database that is brought is its owner's to change",
    "SecretsManagerRotationEnabled": "the same",
    "SecretsManagerUsingKMSKey": "Secrets Manager encrypts with a key of AWS's; encryption_key= takes a customer managed one",
    "SNSEncryptedKMS": "SNS encrypts its disks; encryption_key= adds a customer managed key; with the AWS managed one "
    "services could not publish, and would not say so",
    "SQS3": "these are dead-letter queues of a subscription, a bus, a rule, a schedule or a function, and what a workflow "
    "leaves to people: the scanner knows those of queues only",
    "SQSRedrivePolicy": "dead-letter queues have no dead-letter queue",
    "DDB3": "what is in local and dev can be made again: it is not backed up",
    "DynamoDBPITREnabled": "the same",
    "DynamoDBInBackupPlan": "point-in-time recovery is the backup; AWS Backup is a plan of the account's, with a price",
    "RDSInBackupPlan": "the same: Aurora's own continuous backup is always on",
    "W3005": "CDK writes DependsOn on the role beside the role's ARN: redundant, and not ours to change",
    "WildcardResourceRule": "the delivery of logs has no resource to name, as AWS says: of state machines, and nothing else",
    "GenericResourceWildcardPolicyRule": "`kms:*` for the account is AWS's own statement of a key policy, without which "
    "nobody could manage the key; services need `kms:GenerateDataKey*`",
}

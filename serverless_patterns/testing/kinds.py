"""The types of resources whose names are known, each as its page says under "Return values".

https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-template-resource-type-ref.html
"""

from serverless_patterns.testing.kind import Kind, drawn, named
from serverless_patterns.testing.kinds_of_edges import EDGES

_DATA = {
    "AWS::DynamoDB::Table": named(
        "TableName", "$name", "dynamodb:$at:table/$name", Arn="$arn", StreamArn="$arn/stream/2026-01-01T00:00:00.000"
    ),
    "AWS::DynamoDB::GlobalTable": named(
        "TableName",
        "$name",
        "dynamodb:$at:table/$name",
        Arn="$arn",
        StreamArn="$arn/stream/2026-01-01T00:00:00.000",
        TableId="$uuid",
    ),
    "AWS::S3::Bucket": Kind(
        "BucketName",
        "$name",
        "arn:$partition:s3:::$name",
        {
            "Arn": "$arn",
            "DomainName": "$name.s3.$suffix",
            "RegionalDomainName": "$name.s3.$region.$suffix",
            "DualStackDomainName": "$name.s3.dualstack.$region.$suffix",
            "WebsiteURL": "http://$name.s3-website.$region.$suffix",
        },
        lower=True,
    ),
    "AWS::S3::BucketPolicy": drawn("$id"),
    "AWS::SecretsManager::Secret": named("Name", "$arn", "secretsmanager:$at:secret:$name-AbCdEf", Id="$arn"),
    "AWS::SecretsManager::SecretTargetAttachment": named("", "$SecretId", uses={"SecretId": "$id"}, Id="$SecretId"),
    "AWS::SecretsManager::ResourcePolicy": named("", "$SecretId", uses={"SecretId": "$id"}, Id="$SecretId"),
    "AWS::SecretsManager::RotationSchedule": named("", "$SecretId", uses={"SecretId": "$id"}, Id="$SecretId"),
    "AWS::KMS::Key": named("", "$uuid", "kms:$at:key/$uuid", Arn="$arn", KeyId="$uuid"),
    "AWS::KMS::Alias": named("AliasName", "$name", "kms:$at:$name"),
    "AWS::SSM::Parameter": named("Name", "$name", "ssm:$at:parameter/$name", uses={"Value": "", "Type": ""}, Value="$Value"),
    "AWS::RDS::DBCluster": Kind(
        "DBClusterIdentifier",
        "$name",
        "arn:$partition:rds:$at:cluster:$name",
        {
            "DBClusterArn": "$arn",
            "DBClusterResourceId": "cluster-$hex",
            "Endpoint.Address": "$name.cluster-$id.$region.rds.$suffix",
            "Endpoint.Port": "$Port",
            "ReadEndpoint.Address": "$name.cluster-ro-$id.$region.rds.$suffix",
            "MasterUserSecret.SecretArn": "arn:$partition:secretsmanager:$at:secret:rds!cluster-$uuid-AbCdEf",
        },
        uses={"Port": "5432"},
        lower=True,
    ),
    "AWS::RDS::DBInstance": Kind(
        "DBInstanceIdentifier",
        "$name",
        "arn:$partition:rds:$at:db:$name",
        {
            "DBInstanceArn": "$arn",
            "DbiResourceId": "db-$hex",
            "Endpoint.Address": "$name.$id.$region.rds.$suffix",
            "Endpoint.Port": "$Port",
            "MasterUserSecret.SecretArn": "arn:$partition:secretsmanager:$at:secret:rds!db-$uuid-AbCdEf",
        },
        uses={"Port": "5432"},
        lower=True,
    ),
    "AWS::RDS::DBSubnetGroup": Kind("DBSubnetGroupName", "$name", "arn:$partition:rds:$at:subgrp:$name", lower=True),
    "AWS::RDS::DBClusterParameterGroup": Kind(
        "DBClusterParameterGroupName", "$name", "arn:$partition:rds:$at:cluster-pg:$name", lower=True
    ),
    "AWS::RDS::DBParameterGroup": Kind(
        "DBParameterGroupName",
        "$name",
        "arn:$partition:rds:$at:pg:$name",
        {"DBParameterGroupName": "$name"},
        lower=True,
    ),
    "AWS::RDS::DBProxy": Kind(
        "DBProxyName",
        "$name",
        "arn:$partition:rds:$at:db-proxy:prx-$hex",
        {"DBProxyArn": "$arn", "Endpoint": "$name.proxy-$id.$region.rds.$suffix"},
    ),
}

_MESSAGES = {
    "AWS::SQS::Queue": named(
        "QueueName",
        "https://sqs.$region.$suffix/$account/$name",
        "sqs:$at:$name",
        Arn="$arn",
        QueueName="$name",
        QueueUrl="https://sqs.$region.$suffix/$account/$name",
    ),
    "AWS::SQS::QueuePolicy": drawn("$id", "Id"),
    "AWS::SNS::Topic": named("TopicName", "$arn", "sns:$at:$name", TopicName="$name", TopicArn="$arn"),
    "AWS::SNS::TopicPolicy": drawn("$id", "Id"),
    "AWS::SNS::Subscription": Kind("", "$TopicArn:$uuid", "$TopicArn:$uuid", {"Arn": "$TopicArn:$uuid"}, {"TopicArn": ""}),
    "AWS::Events::EventBus": named("Name", "$name", "events:$at:event-bus/$name", Arn="$arn", Name="$name"),
    "AWS::Events::EventBusPolicy": drawn("$id"),
    "AWS::Events::Rule": named("Name", "$rule", "events:$at:rule/$bus$name", uses={"EventBusName": ""}, Arn="$arn"),
    "AWS::Events::Archive": named("ArchiveName", "$name", "events:$at:archive/$name", Arn="$arn"),
    "AWS::Events::Connection": named(
        "Name",
        "$name",
        "events:$at:connection/$name/$uuid",
        Arn="$arn",
        SecretArn="arn:$partition:secretsmanager:$at:secret:events!connection/$name/$uuid-AbCdEf",
    ),
    "AWS::Events::ApiDestination": named("Name", "$name", "events:$at:api-destination/$name/$uuid", Arn="$arn"),
    "AWS::Scheduler::Schedule": named(
        "Name", "$name", "scheduler:$at:schedule/$GroupName/$name", uses={"GroupName": "default"}, Arn="$arn"
    ),
    "AWS::Scheduler::ScheduleGroup": named("Name", "$name", "scheduler:$at:schedule-group/$name", Arn="$arn"),
    "AWS::Pipes::Pipe": named("Name", "$name", "pipes:$at:pipe/$name", Arn="$arn"),
    "AWS::Kinesis::Stream": named("Name", "$name", "kinesis:$at:stream/$name", Arn="$arn"),
    "AWS::Kinesis::StreamConsumer": Kind(
        "ConsumerName",
        "$arn",
        "$StreamARN/consumer/$name:1767225600",
        {"ConsumerARN": "$arn", "ConsumerName": "$name", "StreamARN": "$StreamARN"},
        {"StreamARN": ""},
    ),
    "AWS::KinesisFirehose::DeliveryStream": named(
        "DeliveryStreamName", "$name", "firehose:$at:deliverystream/$name", Arn="$arn"
    ),
    "AWS::SES::EmailIdentity": named("EmailIdentity", "$name", "ses:$at:identity/$name", EmailIdentityArn="$arn"),
    "AWS::SES::ConfigurationSet": named("Name", "$name", "ses:$at:configuration-set/$name"),
    "AWS::SES::ConfigurationSetEventDestination": drawn("$id", "Id"),
}

_COMPUTE = {
    "AWS::Lambda::Function": named("FunctionName", "$name", "lambda:$at:function:$name", Arn="$arn"),
    "AWS::Lambda::Version": Kind("", "$arn", "$function_arn:1", {"FunctionArn": "$arn", "Version": "1"}, {"FunctionName": ""}),
    "AWS::Lambda::Alias": Kind("Name", "$arn", "$function_arn:$name", {"AliasArn": "$arn"}, {"FunctionName": ""}),
    "AWS::Lambda::LayerVersion": named("LayerName", "$arn", "lambda:$at:layer:$name:1", LayerVersionArn="$arn"),
    "AWS::Lambda::LayerVersionPermission": drawn("$uuid", "Id"),
    "AWS::Lambda::EventSourceMapping": named(
        "", "$uuid", "lambda:$at:event-source-mapping:$uuid", Id="$uuid", EventSourceMappingArn="$arn"
    ),
    "AWS::Lambda::EventInvokeConfig": drawn("$id"),
    "AWS::Lambda::Permission": drawn("$id", "Id"),
    "AWS::Lambda::Url": named(
        "", "$TargetFunctionArn", uses={"TargetFunctionArn": ""}, FunctionUrl="https://$uuid.lambda-url.$region.on.aws/"
    ),
    "AWS::StepFunctions::StateMachine": named(
        "StateMachineName", "$arn", "states:$at:stateMachine:$name", Arn="$arn", Name="$name", StateMachineRevisionId="$uuid"
    ),
    "AWS::StepFunctions::Activity": named("Name", "$arn", "states:$at:activity:$name", Arn="$arn", Name="$name"),
    "AWS::IAM::Role": named(
        "RoleName", "$name", "iam::$account:role$Path$name", uses={"Path": "/"}, Arn="$arn", RoleId="AROA$id"
    ),
    "AWS::IAM::User": named("UserName", "$name", "iam::$account:user$Path$name", uses={"Path": "/"}, Arn="$arn"),
    "AWS::IAM::Group": named("GroupName", "$name", "iam::$account:group$Path$name", uses={"Path": "/"}, Arn="$arn"),
    "AWS::IAM::Policy": drawn("$id", "Id"),
    "AWS::IAM::ManagedPolicy": named(
        "ManagedPolicyName", "$arn", "iam::$account:policy$Path$name", uses={"Path": "/"}, PolicyArn="$arn"
    ),
    "AWS::IAM::InstanceProfile": named(
        "InstanceProfileName", "$name", "iam::$account:instance-profile$Path$name", uses={"Path": "/"}, Arn="$arn"
    ),
    "AWS::Logs::LogGroup": named("LogGroupName", "$name", "logs:$at:log-group:$name", Arn="$arn:*"),
    "AWS::Logs::ResourcePolicy": named("PolicyName", "$name"),
    "AWS::Logs::MetricFilter": named("FilterName", "$name"),
    "AWS::CloudWatch::Alarm": named("AlarmName", "$name", "cloudwatch:$at:alarm:$name", Arn="$arn"),
    "AWS::CloudWatch::CompositeAlarm": named("AlarmName", "$name", "cloudwatch:$at:alarm:$name", Arn="$arn"),
    "AWS::CloudWatch::Dashboard": named("DashboardName", "$name", "cloudwatch::$account:dashboard/$name"),
    "AWS::CDK::Metadata": drawn("$id"),
}

#: Type -> how its resources are called.
KINDS = _DATA | _MESSAGES | _COMPUTE | EDGES

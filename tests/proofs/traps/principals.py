"""Mistakes that let in whom nobody has named."""

from tests.proofs.checks.access import open_to_anybody, unread_permissions, wide_statements
from tests.proofs.checks.principals import strangers
from tests.proofs.traps.plants import added, one_of, setting, setting_in_policy
from tests.proofs.traps.trap import Resources, Trap

API, PIPELINE, FILES, ROUTES = "prod-api-crud", "prod-sqs-pipeline", "prod-s3-processing", "prod-event-routing"
PRODUCTS = {"Ref": "ProductsFunction658D4772"}
EVERYTHING = {"Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}
FOREIGN = {"AWS": "arn:aws:iam::999999999999:root"}


def _for(principal: object, action: str) -> dict[str, object]:
    return {"Effect": "Allow", "Principal": principal, "Action": action, "Resource": "*"}


def _trusted(resources: Resources) -> None:
    document = one_of(resources, "AWS::IAM::Role", "Function")["Properties"]["AssumeRolePolicyDocument"]
    document["Statement"].append({"Effect": "Allow", "Principal": FOREIGN, "Action": "sts:AssumeRole"})


def _shared(resources: Resources) -> None:
    table = one_of(resources, "AWS::DynamoDB::GlobalTable", "Products")["Properties"]
    table["Replicas"][0]["ResourcePolicy"] = {"PolicyDocument": {"Statement": [_for(FOREIGN, "dynamodb:Scan")]}}


def _permission(**properties: object) -> dict[str, object]:
    return {"Action": "lambda:InvokeFunction", "FunctionName": PRODUCTS, **properties}


OF_STRANGERS = [
    Trap(
        "another account may decrypt with the key",
        PIPELINE,
        setting_in_policy("AWS::KMS::Key", "", _for(FOREIGN, "kms:Decrypt"), "KeyPolicy"),
        strangers,
    ),
    Trap(
        "another account may send to the queue",
        PIPELINE,
        setting_in_policy("AWS::SQS::QueuePolicy", "", _for({"AWS": ["999999999999"]}, "sqs:SendMessage")),
        strangers,
    ),
    Trap(
        "another account may read the bucket",
        FILES,
        setting_in_policy("AWS::S3::BucketPolicy", "", _for(FOREIGN, "s3:GetObject")),
        strangers,
    ),
    Trap(
        "everybody but one account may read the bucket",
        FILES,
        setting_in_policy(
            "AWS::S3::BucketPolicy", "", {"Effect": "Allow", "NotPrincipal": FOREIGN, "Action": "s3:GetObject", "Resource": "*"}
        ),
        strangers,
    ),
    Trap("another account may read the table", API, _shared, strangers),
    Trap("another account may assume the role of a function", API, _trusted, strangers),
    Trap(
        "another account may invoke the function",
        API,
        added("AWS::Lambda::Permission", _permission(Principal="999999999999")),
        strangers,
    ),
    Trap(
        "the buckets of another account may invoke the function",
        API,
        added("AWS::Lambda::Permission", _permission(Principal="s3.amazonaws.com", SourceAccount="999999999999")),
        strangers,
    ),
    Trap(
        "the function has a URL for everybody",
        API,
        added("AWS::Lambda::Url", {"AuthType": "NONE", "TargetFunctionArn": PRODUCTS}),
        strangers,
    ),
    Trap(
        "everybody may use the layer",
        API,
        added(
            "AWS::Lambda::LayerVersionPermission",
            {"Action": "lambda:GetLayerVersion", "LayerVersionArn": {"Ref": "Layer"}, "Principal": "*"},
        ),
        strangers,
    ),
    Trap(
        "another account may put events on the bus",
        ROUTES,
        added(
            "AWS::Events::EventBusPolicy",
            {
                "EventBusName": {"Ref": "EventsBus45DE4339"},
                "StatementId": "All",
                "Statement": _for(FOREIGN, "events:PutEvents"),
            },
        ),
        strangers,
    ),
    Trap(
        "everybody may use the key, by a list",
        PIPELINE,
        setting_in_policy("AWS::KMS::Key", "", _for({"AWS": ["*"]}, "kms:Decrypt"), "KeyPolicy"),
        open_to_anybody,
    ),
    Trap(
        "a function may do all, by a policy inside of its role",
        API,
        setting("AWS::IAM::Role", "Function", "Policies", [{"PolicyName": "All", "PolicyDocument": EVERYTHING}]),
        unread_permissions,
    ),
    Trap(
        "a user has a key for everything",
        API,
        added("AWS::IAM::AccessKey", {"UserName": "somebody"}),
        unread_permissions,
    ),
    Trap(
        "a function may do all but one thing",
        API,
        setting_in_policy("AWS::IAM::ManagedPolicy", "Function", {"Effect": "Allow", "NotAction": "iam:*", "Resource": "*"}),
        wide_statements,
    ),
    Trap(
        "a function may scan all tables but one",
        API,
        setting_in_policy(
            "AWS::IAM::ManagedPolicy",
            "Function",
            {"Effect": "Allow", "Action": "dynamodb:Scan", "NotResource": "arn:aws:s3:::b"},
        ),
        wide_statements,
    ),
]

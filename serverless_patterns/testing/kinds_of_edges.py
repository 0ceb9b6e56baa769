"""The types around functions whose names are known: APIs, user pools and networks.

https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-template-resource-type-ref.html
"""

from serverless_patterns.testing.kind import Kind, drawn, named

_APIS = {
    "AWS::ApiGateway::RestApi": Kind(
        ref="$id",
        arn="arn:$partition:apigateway:$region::/restapis/$id",
        attributes={"RestApiId": "$id", "RootResourceId": "root-$id"},
    ),
    "AWS::ApiGateway::Resource": drawn("$id", "ResourceId"),
    "AWS::ApiGateway::Method": drawn("$id"),
    "AWS::ApiGateway::Deployment": drawn("$id", "DeploymentId"),
    "AWS::ApiGateway::Stage": Kind(
        "StageName", "$name", "arn:$partition:apigateway:$region::/restapis/$RestApiId/stages/$name", uses={"RestApiId": ""}
    ),
    "AWS::ApiGateway::Model": named("Name", "$name"),
    "AWS::ApiGateway::RequestValidator": drawn("$id", "RequestValidatorId"),
    "AWS::ApiGateway::Authorizer": drawn("$id", "AuthorizerId"),
    "AWS::ApiGateway::ApiKey": drawn("$id", "APIKeyId"),
    "AWS::ApiGateway::UsagePlan": drawn("$id", "Id"),
    "AWS::ApiGateway::UsagePlanKey": drawn("$id", "Id"),
    "AWS::ApiGateway::GatewayResponse": drawn("$id", "Id"),
    "AWS::ApiGateway::Account": drawn("$id", "Id"),
    "AWS::ApiGatewayV2::Api": Kind(
        ref="$id",
        arn="arn:$partition:apigateway:$region::/apis/$id",
        attributes={"ApiId": "$id", "ApiEndpoint": "https://$id.execute-api.$region.$suffix"},
    ),
    "AWS::ApiGatewayV2::Integration": drawn("$id", "IntegrationId"),
    "AWS::ApiGatewayV2::Route": drawn("$id", "RouteId"),
    "AWS::ApiGatewayV2::Stage": named("StageName", "$name"),
    "AWS::ApiGatewayV2::Authorizer": drawn("$id", "AuthorizerId"),
    "AWS::ApiGatewayV2::Deployment": drawn("$id", "DeploymentId"),
    "AWS::Cognito::UserPool": Kind(
        ref="${region}_$id",
        arn="arn:$partition:cognito-idp:$at:userpool/${region}_$id",
        attributes={
            "Arn": "$arn",
            "UserPoolId": "${region}_$id",
            "ProviderName": "cognito-idp.$region.$suffix/${region}_$id",
            "ProviderURL": "https://cognito-idp.$region.$suffix/${region}_$id",
        },
    ),
    "AWS::Cognito::UserPoolClient": drawn("$hex", "ClientId", Name="$name"),
    "AWS::Cognito::UserPoolDomain": named("Domain", "$name"),
    "AWS::Cognito::UserPoolResourceServer": named("Identifier", "$name"),
    "AWS::Cognito::UserPoolGroup": named("GroupName", "$name"),
}

_NETWORKS = {
    "AWS::EC2::VPC": Kind(
        ref="vpc-$hex",
        arn="arn:$partition:ec2:$at:vpc/vpc-$hex",
        attributes={
            "VpcId": "vpc-$hex",
            "CidrBlock": "$CidrBlock",
            "DefaultSecurityGroup": "sg-$hex",
            "DefaultNetworkAcl": "acl-$hex",
        },
        uses={"CidrBlock": "10.0.0.0/16"},
    ),
    "AWS::EC2::Subnet": Kind(
        ref="subnet-$hex",
        arn="arn:$partition:ec2:$at:subnet/subnet-$hex",
        attributes={
            "SubnetId": "subnet-$hex",
            "AvailabilityZone": "$AvailabilityZone",
            "CidrBlock": "$CidrBlock",
            "VpcId": "$VpcId",
        },
        uses={"AvailabilityZone": "${region}a", "CidrBlock": "10.0.0.0/24", "VpcId": ""},
    ),
    "AWS::EC2::SecurityGroup": Kind(
        ref="sg-$hex",
        arn="arn:$partition:ec2:$at:security-group/sg-$hex",
        attributes={"GroupId": "sg-$hex", "Id": "sg-$hex", "VpcId": "$VpcId"},
        uses={"VpcId": ""},
    ),
    "AWS::EC2::SecurityGroupIngress": drawn("sgr-$hex", "Id"),
    "AWS::EC2::SecurityGroupEgress": drawn("sgr-$hex", "Id"),
    "AWS::EC2::RouteTable": drawn("rtb-$hex", "RouteTableId"),
    "AWS::EC2::Route": drawn("$id"),
    "AWS::EC2::SubnetRouteTableAssociation": drawn("rtbassoc-$hex", "Id"),
    "AWS::EC2::InternetGateway": drawn("igw-$hex", "InternetGatewayId"),
    "AWS::EC2::VPCGatewayAttachment": drawn("$id"),
    "AWS::EC2::NatGateway": drawn("nat-$hex", "NatGatewayId"),
    "AWS::EC2::EIP": drawn("192.0.2.1", AllocationId="eipalloc-$hex", PublicIp="192.0.2.1"),
    "AWS::EC2::VPCEndpoint": drawn("vpce-$hex", "Id"),
    "AWS::EC2::FlowLog": drawn("fl-$hex", "Id"),
}

#: Type -> how its resources are called.
EDGES = _APIS | _NETWORKS

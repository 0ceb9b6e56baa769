"""The guard: what would a deploy do to the resources that hold data?

``python -m serverless_patterns.guard OLD NEW`` compares what is deployed with what is about to be, offline: no account and no
construct is asked. What replaces a resource is read from CloudFormation's own resource schemas, which cfn-lint carries.
"""

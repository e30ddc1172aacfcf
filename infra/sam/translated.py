"""What the template becomes: translates template.yaml as AWS does, and checks what the
functions may do then, who may call them, that lost jobs are looked for and accepted ones
kept, and that what goes wrong raises an alarm.

    .tools/sam/bin/python infra/sam/translated.py     # make template

No credentials, no network. It then damages the template in each way that it is meant to
notice, and fails where it does not.
"""

import copy
import logging
import os
import pathlib
import sys

os.environ.setdefault("AWS_DEFAULT_REGION", "us-east-1")

from samcli.lib.translate.sam_template_validator import SamTemplateValidator  # noqa: E402
from samcli.yamlhelper import yaml_parse  # noqa: E402

logging.disable(logging.WARNING)  # the translator's words about its own metrics

TEMPLATE = pathlib.Path(__file__).resolve().parents[2] / "template.yaml"

TRACE = {"xray:PutTraceSegments", "xray:PutTelemetryRecords"}  # AWS knows no resources for these
READ = {("s3:ListBucket", "Results"), ("s3:GetObject", "Results/lestats/*")}
WRITE = {(a, f"Results/lestats/{f}/*") for a in ("s3:PutObject", "s3:DeleteObject") for f in ("jobs", "pending", "keys")}
SHARE = {(a, "Results/lestats/shared/*") for a in ("s3:PutObject", "s3:DeleteObject")}
RECEIVE = {(f"sqs:{a}", q) for a in ("ReceiveMessage", "DeleteMessage", "GetQueueAttributes") for q in ("Jobs", "DeadJobs")}


def logs(group):
    return {(f"logs:{a}", group) for a in ("CreateLogStream", "PutLogEvents")}


MAY = {
    "ApiFunction": READ | WRITE | SHARE | logs("ApiLog") | {("sqs:SendMessage", "Jobs")} | {(a, "*") for a in TRACE},
    "WorkerFunction": READ | WRITE | logs("WorkerLog") | RECEIVE | {("sqs:SendMessage", "Jobs")} | {(a, "*") for a in TRACE},
}
SOURCES = {("WorkerFunction", "Jobs"), ("WorkerFunction", "DeadJobs")}
KEPT = ["lestats/pending/", "lestats/plugins/", "lestats/data/"]  # nothing removes these but the program and its operator
ALARMS = {
    ("AWS/Lambda", "Errors", "FunctionName", "ApiFunction"),
    ("AWS/Lambda", "Errors", "FunctionName", "WorkerFunction"),
    ("AWS/Lambda", "Throttles", "FunctionName", "ApiFunction"),
    ("AWS/Lambda", "Throttles", "FunctionName", "WorkerFunction"),
    ("AWS/Lambda", "Url5xxCount", "FunctionName", "ApiFunction"),
    ("AWS/ApiGateway", "5xx", "ApiId", "HttpApi"),
    ("AWS/SQS", "ApproximateAgeOfOldestMessage", "QueueName", "Jobs"),
    ("AWS/SQS", "NumberOfMessagesReceived", "QueueName", "DeadJobs"),
}


def translate(template):
    """The template as CloudFormation gets it."""

    class NoManagedPolicies:
        def load(self):
            return {}

    text = SamTemplateValidator(copy.deepcopy(template), NoManagedPolicies(), region="us-east-1").get_translated_template_if_valid()
    return yaml_parse(text)["Resources"]


def many(value):
    return value if isinstance(value, list) else [value]


def name(value):
    """What a reference is to: "Results" for its Arn, "Results/lestats/*" for what is in it."""
    if isinstance(value, str):
        return value
    if "Ref" in value:
        return value["Ref"]
    if "Fn::GetAtt" in value:
        at = value["Fn::GetAtt"]
        return at[0] if isinstance(at, list) else at.split(".")[0]
    text = value.get("Fn::Sub")
    if isinstance(text, str):
        return text.replace("${Results.Arn}", "Results")
    return repr(value)


def of_type(resources, kind):
    return {n: r.get("Properties", {}) for n, r in resources.items() if r["Type"] == kind}


def wrong(resources):
    """All that is not as it should be."""
    out = []
    roles = of_type(resources, "AWS::IAM::Role")
    functions = of_type(resources, "AWS::Lambda::Function")
    if set(functions) != set(MAY):
        out.append(f"the functions are {sorted(functions)}")
    used = {n: name(p["Role"]) for n, p in functions.items()}
    if len(set(used.values())) != len(used) or set(used.values()) != set(roles):
        out.append(f"the roles are {sorted(roles)}, and the functions have {used}: each has one of its own, and there are no others")
    for kind in ("AWS::IAM::Policy", "AWS::IAM::ManagedPolicy", "AWS::IAM::RolePolicy", "AWS::SQS::QueuePolicy"):
        for n in of_type(resources, kind):
            out.append(f"{n} is a policy beside the roles")
    for function, role in used.items():
        properties = roles.get(role, {})
        if properties.get("ManagedPolicyArns"):
            out.append(f"{role} has the managed policies {properties['ManagedPolicyArns']}")
        for trust in properties.get("AssumeRolePolicyDocument", {}).get("Statement", []):
            if trust["Principal"] != {"Service": "lambda.amazonaws.com"} and trust["Principal"] != {"Service": ["lambda.amazonaws.com"]}:
                out.append(f"{role} may be taken by {trust['Principal']}")
        got = set()
        for policy in properties.get("Policies", []):
            for s in policy["PolicyDocument"]["Statement"]:
                if s["Effect"] != "Allow" or set(s) - {"Sid", "Effect", "Action", "Resource"}:
                    out.append(f"{role} has a statement with more than actions and resources: {sorted(s)}")
                got |= {(a, name(r)) for a in many(s["Action"]) for r in many(s["Resource"])}
        for action, resource in sorted(got - MAY.get(function, set())):
            out.append(f"{function} may {action} on {resource}")
        for action, resource in sorted(MAY.get(function, set()) - got):
            out.append(f"{function} may not {action} on {resource}")
    mappings = list(of_type(resources, "AWS::Lambda::EventSourceMapping").values())
    sources = {(name(m["FunctionName"]), name(m["EventSourceArn"])) for m in mappings}
    if sources != SOURCES:
        out.append(f"messages come from {sorted(sources)}")
    rules = of_type(resources, "AWS::Events::Rule")
    recovery = [name(t["Arn"]) for p in rules.values() for t in p["Targets"] if p["ScheduleExpression"] == "rate(15 minutes)" and p.get("State", "ENABLED") == "ENABLED"]
    if recovery != ["WorkerFunction"] or len(rules) != 1:
        out.append(f"lost jobs are looked for by {recovery}, and not by the worker every 15 minutes")
    queue = resources["WorkerFunction"]["Properties"]["Environment"]["Variables"].get("LESTATS_QUEUE_URL")
    if queue != {"Ref": "Jobs"}:
        out.append(f"the worker queues lost jobs again in {queue}")
    for n, p in functions.items():
        data = p["Environment"]["Variables"].get("LESTATS_DATA")
        if data != {"Fn::If": ["HasDataset", {"Fn::Sub": "s3://${Results}/lestats/data/${Dataset}"}, ""]}:
            out.append(f"{n} reads its dataset from {data}")
    for what, got, key in [
        ("the worker's timeout", functions["WorkerFunction"]["Timeout"], "Timeout"),
        ("the queue's visibility timeout", resources["Jobs"]["Properties"]["VisibilityTimeout"], "Visibility"),
        *(("the batch size", m["BatchSize"], "Size") for m in mappings if name(m["EventSourceArn"]) == "Jobs"),
    ]:
        if got != {"Fn::FindInMap": ["Batches", {"Ref": "TimeLimit"}, key]}:
            out.append(f"{what} is {got}, whatever the time limit")
    for n, p in of_type(resources, "AWS::S3::Bucket").items():
        for rule in p["LifecycleConfiguration"]["Rules"]:
            prefix = rule.get("Prefix", "")
            kept = [k for k in KEPT if k.startswith(prefix) or prefix.startswith(k)]
            if kept and set(rule) - {"Id", "Status", "Prefix", "AbortIncompleteMultipartUpload"}:
                out.append(f"{n}: the rule {rule['Id']} removes {kept}")
            if prefix == "lestats/jobs/" and rule.get("ExpirationInDays") != {"Ref": "RetentionDays"}:
                out.append(f"{n}: results are kept for {rule.get('ExpirationInDays')} days")
    for n, p in of_type(resources, "AWS::Lambda::Permission").items():
        scheduled = p["Principal"] == "events.amazonaws.com" and name(p["FunctionName"]) == "WorkerFunction" and name(p.get("SourceArn", "anywhere")) in rules
        if not scheduled and (p["Principal"] != "apigateway.amazonaws.com" or "SourceArn" not in p):
            out.append(f"{n} lets {p['Principal']} call a function, from {p.get('SourceArn', 'anywhere')}")
    for n, p in of_type(resources, "AWS::Lambda::Url").items():
        if p["AuthType"] != "AWS_IAM":
            out.append(f"{n} is open to everybody: its AuthType is {p['AuthType']}")
    alarms = set()
    for n, p in of_type(resources, "AWS::CloudWatch::Alarm").items():
        alarms.add((p["Namespace"], p["MetricName"], p["Dimensions"][0]["Name"], name(p["Dimensions"][0]["Value"])))
        if many(p.get("AlarmActions"))[0].get("Fn::If", [None])[0] != "HasAlarmTopic":
            out.append(f"{n} does not go to AlarmTopic")
        if p["Threshold"] != 0 and p["MetricName"] != "ApproximateAgeOfOldestMessage" or p["ComparisonOperator"] != "GreaterThanThreshold":
            out.append(f"{n} lets some go by")
    for alarm in sorted(ALARMS ^ alarms):
        out.append(f"the alarm on {alarm} is {'missing' if alarm in ALARMS else 'not expected'}")
    return out


def statements(template, role):
    return template["Resources"][role]["Properties"]["Policies"][0]["PolicyDocument"]["Statement"]


def statement(template, role, sid):
    return next(s for s in statements(template, role) if s.get("Sid") == sid)


def rules(template):
    return template["Resources"]["Results"]["Properties"]["LifecycleConfiguration"]["Rules"]


def sams_own_role(t):
    worker = t["Resources"]["WorkerFunction"]["Properties"]
    del worker["Role"], t["Resources"]["WorkerRole"]


def damages():
    """Ways to damage the template: what each is called, and what does it."""

    def change(sid, role="ApiRole", **values):
        return lambda t: statement(t, role, sid).update(values)

    def remove(resource):
        return lambda t: t["Resources"].pop(resource)

    def put(resource, key, value):
        return lambda t: t["Resources"][resource]["Properties"].update({key: value})

    return {
        "the role that SAM makes for the worker": sams_own_role,
        "a condition on listing": change("Look", Condition={"StringLike": {"s3:prefix": "lestats/*"}}),
        "a condition on the worker's listing": change("Look", "WorkerRole", Condition={"StringLike": {"s3:prefix": "lestats/*"}}),
        "every bucket": change("Read", Resource="*"),
        "every action on objects": change("Write", Action="s3:*"),
        "every queue": change("Receive", "WorkerRole", Resource="*"),
        "a receive less": change("Receive", "WorkerRole", Action="sqs:ReceiveMessage"),
        "sending anywhere": change("Send", Resource={"Fn::Sub": "arn:${AWS::Partition}:sqs:*:*:*"}),
        "no listing": lambda t: statements(t, "ApiRole").remove(statement(t, "ApiRole", "Look")),
        "a managed policy": put("WorkerRole", "ManagedPolicyArns", ["arn:aws:iam::aws:policy/service-role/AWSLambdaSQSQueueExecutionRole"]),
        "anybody's role": lambda t: t["Resources"]["ApiRole"]["Properties"]["AssumeRolePolicyDocument"]["Statement"][0].update(Principal={"AWS": "*"}),
        "one role for both": put("WorkerFunction", "Role", {"Fn::GetAtt": ["ApiRole", "Arn"]}),
        "an open function URL": lambda t: t["Resources"]["ApiFunction"]["Properties"]["FunctionUrlConfig"].update(AuthType="NONE"),
        "no recovery": lambda t: t["Resources"]["WorkerFunction"]["Properties"]["Events"].pop("Recover"),
        "a recovery once a day": lambda t: t["Resources"]["WorkerFunction"]["Properties"]["Events"]["Recover"]["Properties"].update(Schedule="rate(1 day)"),
        "a recovery that is off": lambda t: t["Resources"]["WorkerFunction"]["Properties"]["Events"]["Recover"]["Properties"].update(Enabled=False),
        "a worker that cannot send": lambda t: statements(t, "WorkerRole").remove(statement(t, "WorkerRole", "Send")),
        "a worker without a queue to send to": lambda t: t["Resources"]["WorkerFunction"]["Properties"]["Environment"]["Variables"].pop("LESTATS_QUEUE_URL"),
        "a timeout of its own": put("WorkerFunction", "Timeout", 60),
        "a batch of its own": lambda t: t["Resources"]["WorkerFunction"]["Properties"]["Events"]["Jobs"]["Properties"].update(BatchSize=10),
        "a visibility timeout of its own": put("Jobs", "VisibilityTimeout", 360),
        "a rule that removes accepted jobs": lambda t: rules(t).append({"Id": "unfinished", "Status": "Enabled", "Prefix": "lestats/pending/", "ExpirationInDays": {"Ref": "RetentionDays"}}),
        "a rule that removes everything": lambda t: rules(t)[0].update(Prefix="lestats/"),
        "a rule without a prefix": lambda t: rules(t)[0].pop("Prefix"),
        "results that go too soon": lambda t: rules(t)[0].update(ExpirationInDays=1),
        "a rule that removes datasets": lambda t: rules(t)[0].update(Prefix="lestats/data/"),
        "a worker with another dataset": lambda t: t["Resources"]["WorkerFunction"]["Properties"]["Environment"]["Variables"].pop("LESTATS_DATA"),
        "a function that may write plugins": lambda t: statement(t, "ApiRole", "Write")["Resource"].append({"Fn::Sub": "${Results.Arn}/lestats/plugins/*"}),
        "no alarm on 5xx": remove("UnavailableAlarm"),
        "no alarm on a throttled worker": remove("WorkerThrottlesAlarm"),
        "an alarm on a throttled worker that looks at the other function": lambda t: t["Resources"]["WorkerThrottlesAlarm"]["Properties"].update(Dimensions=[{"Name": "FunctionName", "Value": {"Ref": "ApiFunction"}}]),
        "an alarm that nobody hears": lambda t: t["Resources"]["UnavailableAlarm"]["Properties"].update(AlarmActions=[]) or None,
        "an alarm that waits": put("UnavailableAlarm", "Threshold", 100),
    }


def check(template):
    try:
        return wrong(translate(template))
    except Exception as e:  # what cannot be translated or understood is wrong, too
        return [f"{type(e).__name__}: {e}"]


def main():
    template = yaml_parse(TEMPLATE.read_text())
    found = check(template)
    for line in found:
        print(f"template.yaml: {line}", file=sys.stderr)
    tried = damages()
    for what, damage in tried.items():
        damaged = copy.deepcopy(template)
        damage(damaged)
        if not check(damaged):
            found.append(what)
            print(f"translated.py does not notice {what}", file=sys.stderr)
    print(f"template.yaml: {len(MAY)} roles, {sum(map(len, MAY.values()))} permissions, {len(ALARMS)} alarms; {len(tried)} damages noticed" if not found else "FAILED")
    sys.exit(1 if found else 0)


if __name__ == "__main__":
    main()

"""What the shipped ValidatingAdmissionPolicy lets through, by evaluating its expressions as the API server does.

Reads manifests/tenants/policy.yaml. Needs cel-python and PyYAML.
"""

import sys
from pathlib import Path

import celpy
import yaml
from celpy.adapter import json_to_cel

POLICY = Path(__file__).parent.parent / "manifests/tenants/policy.yaml"
AGENT = "system:serviceaccount:plz-agent-system:plz-agent"
OPERATOR = "system:serviceaccount:k6-operator-system:k6-operator-controller"
COLLECTOR = "system:serviceaccount:kube-system:generic-garbage-collector"
TENANT = "tenant@example.com"

PLAIN = {"script": {"localFile": "/a.js"}, "parallelism": 1}
OURS = {**PLAIN, "testRunId": "101"}
PRIVILEGED = {**OURS, "runner": {"containerSecurityContext": {"privileged": True}}}

# who, spec before (none: it is made), spec after, whether it is let through
CASES = [
    (TENANT, None, PLAIN, True),
    (TENANT, None, {**PLAIN, "testRunId": ""}, True),
    (TENANT, None, None, True),
    (TENANT, None, OURS, False),
    (TENANT, PLAIN, {**PLAIN, "parallelism": 2}, True),
    (TENANT, PLAIN, OURS, False),
    (TENANT, OURS, OURS, True),
    (TENANT, OURS, PRIVILEGED, False),
    (TENANT, OURS, {**OURS, "testRunId": "102"}, False),
    (TENANT, OURS, PLAIN, False),
    (TENANT, OURS, None, False),
    ("", None, OURS, False),
    (AGENT + "2", None, OURS, False),
    (COLLECTOR, OURS, OURS, True),
    (AGENT, None, OURS, True),
    (AGENT, OURS, PRIVILEGED, True),
    (OPERATOR, None, OURS, True),
]


def evaluate(expression, names):
    environment = celpy.Environment()
    return environment.program(environment.compile(expression)).evaluate(names)


def test_run(spec):
    return {"metadata": {"name": "r"}} | ({} if spec is None else {"spec": spec})


def decide(policy, user, before, after, is_update):
    names = {
        "object": json_to_cel(test_run(after)),
        "oldObject": json_to_cel(test_run(before)) if is_update else None,
        "request": json_to_cel({"userInfo": {"username": user}, "operation": "UPDATE" if is_update else "CREATE"}),
    }
    variables = {}
    for variable in policy["variables"]:
        value = evaluate(variable["expression"], names | {"variables": celpy.celtypes.MapType(variables)})
        variables[celpy.celtypes.StringType(variable["name"])] = value
    names["variables"] = celpy.celtypes.MapType(variables)
    for validation in policy["validations"]:
        if not evaluate(validation["expression"], names):
            return False, evaluate(validation["messageExpression"], names)
    return True, ""


def main():
    documents = list(yaml.safe_load_all(POLICY.read_text()))
    policy = next(d["spec"] for d in documents if d["kind"] == "ValidatingAdmissionPolicy")
    failed = 0
    for user, before, after, wanted in CASES:
        passes, message = decide(policy, user, before, after, before is not None)
        says_why = passes or (user in message and "testRunId" in message)
        if passes != wanted or not says_why:
            failed += 1
            print(f"{user!r} {before} -> {after}: let through is {passes}, wanted {wanted}; {message}", file=sys.stderr)
    print(f"admission policy: {len(CASES) - failed} of {len(CASES)} cases as wanted")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())

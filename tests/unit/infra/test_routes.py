"""API Gateway sends the HTTP functions what Chalice routes, and asks for a key.

Two kinds of callers cannot send one: Prometheus, and who follows a link. What they send is looked at in code.
"""

import json
import re

import pytest

from .conftest import ROOT, Json, load_module, of_type

WITHOUT_KEY = {"/metrics", "/decide/{token}"}
HTTP_METHODS = {"get", "post", "put", "patch", "delete", "options", "head", "any"}


@pytest.mark.parametrize("stage", ["predict", "api"])
def test_the_routes_of_the_template_are_those_of_chalice(stage: str, functions: dict[str, Json]) -> None:
    app = load_module(ROOT / "functions" / stage / "app.py", f"{stage}_app_for_routes").app
    served = {(path, method) for path, methods in app.routes.items() for method in methods}
    events = functions[stage]["Events"].values()
    assert {event["Type"] for event in events} == {"Api"}
    assert {(event["Properties"]["Path"], event["Properties"]["Method"]) for event in events} == served


def test_every_method_asks_for_the_key(resources: dict[str, Json]) -> None:
    (api,) = of_type(resources, "AWS::ApiGateway::RestApi").values()
    methods = [
        (path, name, method)
        for path, item in api["Body"]["paths"].items()
        for name, method in item.items()
        if name in HTTP_METHODS
    ]
    assert methods
    for path, name, method in methods:
        assert ({"api_key": []} in method.get("security", [])) == (path not in WITHOUT_KEY), f"{name} {path}"
        function = "predict" if path.startswith(("/v1/", "/explain/")) else "api"
        assert f"{{{function}function.arn}}" in str(method["x-amazon-apigateway-integration"]["uri"]).lower()


def test_a_refusal_by_the_gateway_looks_like_ours(resources: dict[str, Json]) -> None:
    (api,) = of_type(resources, "AWS::ApiGateway::RestApi").values()
    responses = api["Body"]["x-amazon-apigateway-gateway-responses"]
    for kind in ("DEFAULT_4XX", "DEFAULT_5XX"):
        template = responses[kind]["responseTemplates"]["application/json"]
        assert template == '{"error": $context.error.messageString}'


def test_the_usage_plan_limits_rate_and_quota(resources: dict[str, Json]) -> None:
    (plan,) = of_type(resources, "AWS::ApiGateway::UsagePlan").values()
    assert plan["Throttle"] == {"RateLimit": {"Ref": "ApiRequestsPerSecond"}, "BurstLimit": {"Ref": "ApiBurst"}}
    assert plan["Quota"] == {"Limit": {"Ref": "ApiRequestsPerDay"}, "Period": "DAY"}
    (stage,) = of_type(resources, "AWS::ApiGateway::Stage").values()
    assert plan["ApiStages"] == [{"ApiId": {"Ref": "Api"}, "Stage": stage["StageName"]}]
    (key,) = of_type(resources, "AWS::ApiGateway::UsagePlanKey").values()
    assert key == {"KeyId": {"Ref": "ApiKey"}, "KeyType": "API_KEY", "UsagePlanId": {"Ref": "UsagePlan"}}


def test_the_stage_has_one_name_and_the_usage_plan_waits_for_it(template: Json, resources: dict[str, Json]) -> None:
    (stage,) = (name for name, r in resources.items() if r["Type"] == "AWS::ApiGateway::Stage")
    assert resources["UsagePlan"]["DependsOn"] == stage
    addresses = re.findall(r"(?:URLSuffix\}|execute-api/\$\{Api\})/([^\"]+)\"", json.dumps(template))
    assert len(addresses) == 6
    assert set(addresses) == {resources[stage]["Properties"]["StageName"]}

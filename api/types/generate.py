#!/usr/bin/env python3
"""Writes src/registry/schema.txt, the schema registry's table.

Run by hand when the API moves:  api/types/generate.py FACTS
FACTS is a directory with types.json and proto-only.json: every type of the published
API with its fields, and the protobuf messages that OpenAPI does not name.
The format of the table is told at the head of src/registry/parse.rs.
"""
import json
import pathlib
import sys

SHORT = {
    "io.k8s.apimachinery.pkg.apis.meta.v1": "meta",
    "io.k8s.apimachinery.pkg.api.resource": "res",
    "io.k8s.apimachinery.pkg.util.intstr": "intstr",
    "io.k8s.apimachinery.pkg.runtime": "runtime",
    "io.k8s.apimachinery.pkg.version": "version",
    "io.k8s.api.core.v1": "core",
}
PRIMITIVES = {
    "string": "str", "string:byte": "bytes", "bytes": "bytes", "integer:int32": "i32", "int32": "i32",
    "integer:int64": "i64", "int64": "i64", "integer": "i64", "number:double": "f64", "boolean": "bool",
    "bool": "bool", "any": "any", "object": "any",
}
SHAPES = {
    "io.k8s.apimachinery.pkg.api.resource.Quantity": "quantity",
    "io.k8s.apimachinery.pkg.apis.meta.v1.Time": "time",
    "io.k8s.apimachinery.pkg.apis.meta.v1.MicroTime": "microtime",
    "io.k8s.apimachinery.pkg.apis.meta.v1.Duration": "duration",
    "io.k8s.apimachinery.pkg.util.intstr.IntOrString": "intorstring",
    "io.k8s.apimachinery.pkg.runtime.RawExtension": "raw",
    "io.k8s.apimachinery.pkg.apis.meta.v1.FieldsV1": "fieldsv1",
    "io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.JSON": "json",
    "io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.JSONSchemaPropsOrArray": "schemaorarray",
    "io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.JSONSchemaPropsOrBool": "schemaorbool",
    "io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.JSONSchemaPropsOrStringArray": "schemaorstrings",
}
# Kinds among the messages that OpenAPI does not name.
KINDS = {
    "io.k8s.api.batch.v1beta1": ("batch/v1beta1", ["CronJob", "CronJobList"]),
    "io.k8s.api.admission.v1": ("admission.k8s.io/v1", ["AdmissionReview"]),
    "io.k8s.api.apidiscovery.v2": ("apidiscovery.k8s.io/v2", ["APIGroupDiscovery", "APIGroupDiscoveryList"]),
    "io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1": ("apiextensions.k8s.io/v1", ["ConversionReview"]),
    "io.k8s.metrics.pkg.apis.metrics.v1beta1": (
        "metrics.k8s.io/v1beta1", ["NodeMetrics", "NodeMetricsList", "PodMetrics", "PodMetricsList"]),
    "io.k8s.apimachinery.pkg.apis.meta.v1": ("meta.k8s.io/v1", ["PartialObjectMetadata", "PartialObjectMetadataList"]),
    "io.k8s.api.core.v1": ("v1", [
        "List", "NodeProxyOptions", "PodAttachOptions", "PodExecOptions", "PodLogOptions", "PodPortForwardOptions",
        "PodProxyOptions", "PodStatusResult", "RangeAllocation", "SerializedReference", "ServiceProxyOptions"]),
}
# Options that every group version has; found under any apiVersion.
COMMON = ["CreateOptions", "UpdateOptions", "PatchOptions", "GetOptions", "ListOptions", "ApplyOptions", "TableOptions"]
# OpenAPI shows a list of strings, protobuf wraps it in a message with `items`.
WRAPPED = {("APIResource", "verbs")}
# Strings that Go keeps behind a pointer: there "" is a value. Elsewhere a protobuf "" means absent.
POINTERS = {
    "apiGroup", "storageClassName", "volumeAttributesClassName", "appProtocol", "holderIdentity", "nodeName",
    "zone", "hostname", "runtimeClassName", "preemptionPolicy", "volumeName", "subdomain", "ingressClassName",
}
POINTER_OWNERS = {
    "PersistentVolumeClaimSpec", "PersistentVolumeSpec", "EndpointPort", "ServicePort", "LeaseSpec", "Endpoint",
    "TypedLocalObjectReference", "TypedObjectReference", "IngressSpec", "PodSpec", "VolumeAttachmentSource",
}
NOT_POINTERS = {
    ("PodSpec", "nodeName"), ("PodSpec", "hostname"), ("PodSpec", "subdomain"), ("PodSpec", "zone"),
    ("PersistentVolumeClaimSpec", "volumeName"), ("PersistentVolumeSpec", "storageClassName"),
}
# Numbers and booleans that Go keeps as they are and its JSON omits at zero; all others are pointers, or always told.
PLAIN = {
    "active", "allowWatchBookmarks", "authenticated", "availableReplicas", "chapAuthDiscovery", "chapAuthSession",
    "clusterScope", "code", "count", "currentReplicas", "denied", "deprecated", "deprecatedCount", "exclusiveMaximum",
    "exclusiveMinimum", "failed", "failureThreshold", "follow", "fullyLabeledReplicas", "generation", "globalDefault",
    "handSize", "healthCheckNodePort", "hostIPC", "hostNetwork", "hostPID", "hostPort", "initialDelaySeconds",
    "insecureSkipTLSVerify", "insecureSkipTLSVerifyBackend", "limit", "matchingPrecedence", "minReadySeconds",
    "nodePort", "nullable", "number", "numberAvailable", "numberUnavailable", "observedGeneration", "paused",
    "periodSeconds", "preserveUnknownFields", "previous", "publishNotReadyAddresses", "queueLengthLimit", "queues",
    "readOnly", "readyReplicas", "retryAfterSeconds", "signal", "sizeBytes", "sslEnabled", "stderr", "stdin",
    "stdinOnce", "stdout", "succeeded", "successThreshold", "timestamps", "tty", "unavailableReplicas", "uniqueItems",
    "unschedulable", "updatedNumberScheduled", "updatedReplicas", "watch", "x-kubernetes-embedded-resource",
    "x-kubernetes-int-or-string",
}
PLAIN_IN = {
    ("Probe", "timeoutSeconds"), ("AWSElasticBlockStoreVolumeSource", "partition"), ("ScaleSpec", "replicas"),
    ("GCEPersistentDiskVolumeSource", "partition"), ("CustomResourceColumnDefinition", "priority"),
    ("DeploymentStatus", "replicas"),
}
NOT_PLAIN = {("AzureDiskVolumeSource", "readOnly"), ("VolumeNodeResources", "count")}


def openapi_name(message):
    name = message.replace("k8s.io.", "io.k8s.", 1)
    return name.replace("apiextensions_apiserver", "apiextensions-apiserver").replace(
        "kube_aggregator", "kube-aggregator")


def load(folder):
    types = json.loads((folder / "types.json").read_text())
    for message, fields in json.loads((folder / "proto-only.json").read_text()).items():
        name = openapi_name(message)
        package, _, short = name.rpartition(".")
        made = []
        for field in fields:
            prefix = "[]" if field["label"] == "repeated" else ""
            kind = field["type"]
            if kind.startswith("map:"):
                prefix, kind = "map:", kind[4:]
            made.append({"name": field["name"], "tag": field["tag"], "type": prefix + openapi_name(kind)})
        kind = {"fields": made}
        version, names = KINDS.get(package, ("", []))
        if short in names:
            kind["gvk"] = [f"{version}/{short}"]
        if short in names or short in COMMON:
            kind["fields"] += [{"name": n, "type": "string"} for n in ("apiVersion", "kind")]
        types[name] = kind
    derive_cronjob(types)
    return types


def derive_cronjob(types):
    """batch/v1beta1 CronJob has the shape of batch/v1: take over what protobuf does not tell."""
    old, new = "io.k8s.api.batch.v1.", "io.k8s.api.batch.v1beta1."
    for name in ["CronJob", "CronJobList", "CronJobSpec", "CronJobStatus", "JobTemplateSpec"]:
        kind = dict(types[old + name])
        kind["fields"] = [
            {**f, "type": f["type"].replace(old + "CronJob", new + "CronJob").replace(
                old + "JobTemplateSpec", new + "JobTemplateSpec")} for f in kind["fields"]]
        if "gvk" in kind:
            kind["gvk"] = [g.replace("batch/v1/", "batch/v1beta1/") for g in kind["gvk"]]
        types[new + name] = kind


class Writer:
    def __init__(self, types):
        self.types = types
        self.packages = sorted({n.rpartition(".")[0] for n in types})
        self.short = {}
        for package in self.packages:
            self.short[package] = SHORT.get(package) or package.split(".")[-2] + "." + package.split(".")[-1]
        assert len(set(self.short.values())) == len(self.short), self.short

    def reference(self, name, home):
        for prefix, code in (("[]", "[]"), ("map:", "{}")):
            if name.startswith(prefix):
                return code + self.reference(name[len(prefix):], home)
        if name in PRIMITIVES:
            return PRIMITIVES[name]
        package, _, short = name.rpartition(".")
        assert name in self.types, name
        return ("" if package == home else self.short[package]) + ":" + short

    def pointer(self, owner, field, home):
        """Whether the zero value is a value of its own."""
        name = field["name"]
        place = (owner, name)
        if field["type"] == "string":
            listed = name in POINTERS or (owner == "EndpointPort" and "discovery" in home)
            return owner in POINTER_OWNERS and listed and place not in NOT_POINTERS
        if PRIMITIVES.get(field["type"]) in ("bool", "i32", "i64") and not field.get("required"):
            return place in NOT_PLAIN or place not in PLAIN_IN and name not in PLAIN
        return False

    def field(self, owner, field, home):
        words = [field["name"], self.reference(field["type"], home), str(field.get("tag", "-"))]
        if field.get("required"):
            words.append("!")
        if (owner, field["name"]) in WRAPPED or field["type"] == "map:[]string":
            words.append("wrapped")
        if self.pointer(owner, field, home):
            words.append("pointer")
        if field.get("listType"):
            keys = field.get("listMapKeys", [])
            words.append(field["listType"] + ("=" + ",".join(keys) if keys else ""))
        if field.get("mapType"):
            words.append(field["mapType"])
        for strategy in filter(None, field.get("patchStrategy", "").split(",")):
            words.append("patch:" + strategy)
        if field.get("patchMergeKey"):
            words.append("key=" + field["patchMergeKey"])
        if "default" in field:
            words.append("default=" + json.dumps(field["default"]))
        return " " + " ".join(words)

    def lines(self):
        yield "# Made by api/types/generate.py; do not edit."
        for package in self.packages:
            yield f"/ {self.short[package]} {package}"
            names = sorted(n for n in self.types if n.rpartition(".")[0] == package)
            for name in names:
                yield from self.type(name, package)

    def type(self, name, package):
        kind = self.types[name]
        short = name.rpartition(".")[2]
        words = [short]
        if name in SHAPES:
            words.append("shape=" + SHAPES[name])
        elif "fields" not in kind:
            words.append("shape=raw")
        if kind.get("mapType") == "atomic":
            words.append("atomic")
        if kind.get("gvk"):
            words.append("gvk=" + kind["gvk"][0])
        yield " ".join(words)
        if name in SHAPES:
            return
        for message in kind.get("inlineProto", []):
            yield f" + {self.reference(openapi_name(message['type']), package)} {message['tag']}"
        for field in sorted(kind.get("fields", []), key=lambda f: f["name"].encode()):
            yield self.field(short, field, package)


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    target = pathlib.Path(__file__).parent / "src" / "registry" / "schema.txt"
    target.write_text("\n".join(Writer(load(pathlib.Path(sys.argv[1]))).lines()) + "\n")
    print(target)


main()

//! A study as an Indexed Job of Kubernetes: a manifest, which is printed and not sent.

use serde_json::{Value, json};

use super::batch::{Needs, device, due, flags, quoted, tag};
use super::plan::StudyPlan;
use crate::records::DeviceKind;

/// What the manifest is made for.
#[derive(Debug, Clone)]
pub struct Pod {
    /// The container image, with `reg` and `reg-torch` in it.
    pub image: String,
    /// The persistent volume claim that holds the registry.
    pub claim: String,
    /// Where it is mounted; the registry's folder is that, or `.reg` in it.
    pub mount: String,
}

/// As `reg train` ends when it was interrupted, with its state kept.
const INTERRUPTED: u32 = 130;
/// As it ends when its flags make no sense, which no second attempt mends.
const USAGE: u32 = 2;
/// Failures of one run that are tried again.
const ATTEMPTS: u32 = 2;
/// Seconds that a training has to keep its state.
const GRACE: u32 = 120;

/// The manifest (`batch/v1`, Kubernetes 1.33 or newer) of a job that trains what is due in a plan: a completion a run.
///
/// JSON, which `kubectl create -f -` takes. A pod that is evicted, preempted or drained does not count as a
/// failure; a run that fails takes none of the others with it.
pub fn manifest(plan: &StudyPlan, threads: u32, kind: DeviceKind, pod: &Pod) -> Value {
    let tasks = due(plan);
    let needs = Needs::of(plan, threads, &tasks);
    let runs = tasks.iter().enumerate().map(|(number, index)| {
        let (mount, flags) = (quoted(&pod.mount), flags(&plan.runs[*index]));
        // In the place of the shell, so that it gets the signals.
        format!("{number}) exec reg --registry {mount} --json train {flags} --device {} ;;\n", device(kind))
    });
    let script =
        format!("case $JOB_COMPLETION_INDEX in\n{}*) exit {USAGE} ;;\nesac\n", runs.collect::<String>());
    let mut resources =
        json!({ "cpu": needs.threads.to_string(), "memory": format!("{}Gi", needs.memory_gb) });
    if kind == DeviceKind::Cuda {
        resources["nvidia.com/gpu"] = json!("1");
    }
    let labels = json!({ "app.kubernetes.io/name": "reg", "app.kubernetes.io/instance": tag(plan) });
    json!({
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {
            "name": format!("reg-{}", tag(plan)),
            "labels": labels,
            "annotations": { "reg/study": plan.study.name, "reg/id": plan.id.hash.to_string() },
        },
        "spec": {
            "completionMode": "Indexed",
            "completions": tasks.len(),
            "parallelism": plan.jobs.min(tasks.len()),
            "backoffLimitPerIndex": ATTEMPTS,
            "podFailurePolicy": { "rules": [
                { "action": "Ignore", "onPodConditions": [{ "type": "DisruptionTarget", "status": "True" }] },
                { "action": "Ignore", "onExitCodes": { "operator": "In", "values": [INTERRUPTED] } },
                { "action": "FailIndex", "onExitCodes": { "operator": "In", "values": [USAGE] } },
            ] },
            "template": {
                "metadata": { "labels": labels },
                "spec": {
                    "restartPolicy": "Never",
                    "terminationGracePeriodSeconds": GRACE,
                    "containers": [{
                        "name": "reg",
                        "image": pod.image,
                        "command": ["/bin/sh", "-c", script],
                        "resources": { "requests": resources, "limits": resources },
                        "volumeMounts": [{ "name": "registry", "mountPath": pod.mount }],
                    }],
                    "volumes": [{ "name": "registry", "persistentVolumeClaim": { "claimName": pod.claim } }],
                },
            },
        },
    })
}

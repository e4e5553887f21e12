//! A study as an Indexed Job of Kubernetes: a manifest, which is printed and not submitted.

use serde_json::{Value, json};

use super::batch::{Needs, device, due, flags, quoted, tag};
use super::plan::StudyPlan;
use crate::records::DeviceKind;

/// Parameters of the manifest.
#[derive(Debug, Clone)]
pub struct Pod {
    /// The container image, with `reg` and `reg-torch` in it.
    pub image: String,
    /// The persistent volume claim that holds the registry.
    pub claim: String,
    /// Its mount point; the registry's folder is the mount point itself or `.reg` in it.
    pub mount: String,
}

/// Exit code of `reg train` after an interrupt with a saved checkpoint.
const INTERRUPTED: u32 = 130;
/// Exit code of `reg train` for invalid flags, which another attempt would not fix.
const USAGE: u32 = 2;
/// Maximum number of failures of one run that are retried.
const ATTEMPTS: u32 = 2;
/// Seconds that a training has for saving a checkpoint.
const GRACE: u32 = 120;

/// The manifest (`batch/v1`, Kubernetes 1.33 or newer) of a job that trains the due runs of a plan, one
/// completion per run.
///
/// JSON, which `kubectl create -f -` accepts. A pod that is evicted, preempted or drained does not count as a
/// failure; a failed run does not stop the others.
pub fn manifest(plan: &StudyPlan, threads: u32, kind: DeviceKind, pod: &Pod) -> Value {
    let tasks = due(plan);
    let needs = Needs::of(plan, threads, &tasks);
    let runs = tasks.iter().enumerate().map(|(number, index)| {
        let (mount, flags) = (quoted(&pod.mount), flags(&plan.runs[*index]));
        // `exec` replaces the shell, so that the program receives the signals.
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

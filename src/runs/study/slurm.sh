#!/bin/bash
# Study {{study}}: each task of this array trains one run into {{registry}}.
#
# A site may change this template: `reg study init --slurm site.sh` writes it, `reg study run --slurm --template site.sh`
# uses it. What stands in double braces is filled in from the plan.
#SBATCH --job-name={{job}}
#SBATCH --array={{array}}
#SBATCH --cpus-per-task={{threads}}
#SBATCH --mem={{memory}}
#SBATCH --time={{time}}
#SBATCH --output={{log}}
#SBATCH --open-mode=append
# After a failure of the node a task is queued again, and its run goes on from the state that was kept last.
#SBATCH --requeue
# Before the time is over: enough to keep the state of the training.
#SBATCH --signal=B:USR1@{{notice}}
{{options}}

# What a site needs before a program runs stands here: modules, the location of CUDA.

registry={{registry}}
{{prepare}}
train() {
  {{reg}} --registry "$registry" --json train "$@" --device {{device}} &
  child=$!
  # Time is nearly over: keep the state and queue this task again, to go on from there.
  trap 'again=yes; kill -TERM "$child"' USR1
  # The task was cancelled, requeued or preempted. Slurm tells every process of it, so the training keeps its state
  # already, and a second signal would stop it at once; only this shell has to wait for it.
  trap : TERM
  # A signal ends a `wait`, so there is another one until the child is gone.
  while :; do
    wait "$child"
    code=$?
    kill -0 "$child" 2>/dev/null || break
  done
  if [ "${again:-no}" = yes ] && [ "$code" -ne 0 ]; then
    scontrol requeue "$SLURM_JOB_ID"
  fi
}

case $SLURM_ARRAY_TASK_ID in
{{runs}}
*) echo "the study has no run $SLURM_ARRAY_TASK_ID" >&2; exit 2 ;;
esac
{{finish}}
exit "$code"

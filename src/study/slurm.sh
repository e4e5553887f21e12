#!/bin/bash
# Study {{study}}: each task of this array trains one run into {{registry}}.
#
# A site may change this template: `reg study init --slurm site.sh` writes it, `reg study run --slurm --template site.sh`
# uses it. Placeholders in double braces are filled in from the plan.
#SBATCH --job-name={{job}}
#SBATCH --array={{array}}
#SBATCH --cpus-per-task={{threads}}
#SBATCH --mem={{memory}}
#SBATCH --time={{time}}
#SBATCH --output={{log}}
#SBATCH --open-mode=append
# After a failure of the node a task is queued again, and its run resumes from the last checkpoint.
#SBATCH --requeue
# Signal before the time limit, early enough to save a checkpoint.
#SBATCH --signal=B:USR1@{{notice}}
{{options}}

# Add what the site needs here: modules to load, the location of CUDA.

registry={{registry}}
{{prepare}}
train() {
  work train "$@" --device {{device}}
}
# A program of the user's own; it sees the devices that Slurm assigns.
program() {
  work run "$@"
}
work() {
  {{reg}} --registry "$registry" --json "$@" &
  child=$!
  # The time limit is near: save a checkpoint and queue this task again to resume from it.
  trap 'again=yes; kill -TERM "$child"' USR1
  # The task was cancelled, requeued or preempted. Slurm signals every process, so the training already saves its
  # checkpoint, and a second signal would stop it at once; this shell only has to wait for it.
  trap : TERM
  # A signal interrupts `wait`, so it is repeated until the child has ended.
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

#!/bin/sh
#SBATCH --job-name=genretune
#SBATCH --nodes=2
#SBATCH --ntasks-per-node=1
#SBATCH --cpus-per-task=8
#SBATCH --time=08:00:00
#SBATCH --signal=B:USR1@120
#SBATCH --requeue
#SBATCH --open-mode=append
# One Ray cluster on all nodes of a Slurm job, for a sweep that outlives the job's time limit.
#
#   sbatch --gpus-per-node=4 scripts/cluster/slurm.sh SPACE.yaml DATA RUN [KEY=VALUE ...] [option ...]
#
# DATA, RUN and this folder are on storage that all nodes share. Options are passed to genretune,
# overrides (KEY=VALUE) to its first start only, since a resumed sweep has them. Two minutes before
# the time limit Slurm sends USR1 to this shell; the driver completes its journal and exits with 75,
# the job is requeued, and its next start resumes. RUN.job holds the id of the job that drives RUN:
# another job is refused while squeue lists that job, and takes over once it is gone.
#
# GENRETUNE_ACTIVATE is a line that puts genretune and ray on PATH, see slurm_common.sh; the job has
# the environment of the shell that called sbatch, so it is not needed in an activated one.
# Resources are those of the job (--cpus-per-task, --mem, --gpus-per-node or --gres); jobs may share
# a node. docs/cluster.md says what was tried on a real Slurm and what was not.
here=${GENRETUNE_CLUSTER:-$(scontrol show job "$SLURM_JOB_ID" | sed -n 's|^ *Command=\(.*\)/slurm\.sh.*|\1|p')}
[ -r "$here/slurm_common.sh" ] || {
    echo "GENRETUNE_CLUSTER: must be the folder of slurm.sh, got '$here'" >&2 # Slurm runs a copy
    exit 2
}
[ $# -ge 3 ] || { echo "usage: sbatch slurm.sh SPACE.yaml DATA RUN [KEY=VALUE ...] [option ...]" >&2; exit 2; }
space=$1 data=$2 run=$3
shift 3
. "$here/slurm_common.sh"
has_workers() { kill -0 "$step" 2>/dev/null; }
end_workers() { [ -z "$step" ] || kill "$step" 2>/dev/null; }

check_words "$@"
take_run
cpus=${SLURM_CPUS_PER_TASK:-$SLURM_CPUS_ON_NODE}
start_head "$cpus" "${SLURM_GPUS_ON_NODE:-0}"
others=$((SLURM_JOB_NUM_NODES - 1))
if [ "$others" -gt 0 ]; then
    # A step inherits neither --cpus-per-task (since Slurm 22.05), nor GPUs that come with --exclusive,
    # nor all of the environment, where sbatch had --export. SLURM_GPUS is the sum over all nodes.
    env -u SLURM_GPUS -u SLURM_GPUS_PER_NODE -u SLURM_GPUS_PER_TASK \
        srun --export=ALL --nodes="$others" --ntasks="$others" --ntasks-per-node=1 \
        ${SLURM_GPUS_ON_NODE:+"--gpus-per-node=$SLURM_GPUS_ON_NODE"} \
        --cpus-per-task="$cpus" --exclude="$head" --kill-on-bad-exit=0 --wait=0 \
        "$here/slurm_worker.sh" "$address" &
    step=$!
fi
wait_for_nodes "$SLURM_JOB_NUM_NODES" "${GENRETUNE_JOIN_TIMEOUT:-300}" ||
    echo "$nodes of $SLURM_JOB_NUM_NODES nodes have joined; others get trials when they join" >&2
drive "$@"

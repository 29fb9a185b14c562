#!/bin/sh
#SBATCH --job-name=genretune-head
#SBATCH --nodes=1
#SBATCH --cpus-per-task=2
#SBATCH --time=2-00:00:00
#SBATCH --signal=B:USR1@120
#SBATCH --requeue
#SBATCH --open-mode=append
# A driver on a stable partition, and one worker job per preemptible node; workers join and leave.
#
#   sbatch --partition=stable scripts/cluster/slurm_preemptible.sh WORKERS PARTITION \
#       SPACE.yaml DATA RUN [KEY=VALUE ...] [option ...]
#
# As slurm.sh, which see; but trials run on the worker jobs alone. They are slurm_worker.sh, whose
# head has their settings; GENRETUNE_WORKER_OPTIONS are further ones for their sbatch, such as
# "--gpus-per-node=4 --mem=0". The trials of a preempted worker continue from their checkpoints
# elsewhere. Slurm requeues the worker's job, and it joins again. Nodes of another machine class
# that join later are not used, unless --allow-mixed is given.
here=${GENRETUNE_CLUSTER:-$(scontrol show job "$SLURM_JOB_ID" | sed -n 's|^ *Command=\(.*\)/slurm_preemptible\.sh.*|\1|p')}
[ -r "$here/slurm_common.sh" ] || {
    echo "GENRETUNE_CLUSTER: must be the folder of slurm_preemptible.sh, got '$here'" >&2
    exit 2
}
[ $# -ge 5 ] || {
    echo "usage: sbatch slurm_preemptible.sh WORKERS PARTITION SPACE.yaml DATA RUN [KEY=VALUE ...] [option ...]" >&2
    exit 2
}
workers=$1 partition=$2 space=$3 data=$4 run=$5
shift 5
. "$here/slurm_common.sh"
# By name, so that the next start also finds the workers of one that was killed.
array=genretune-worker-$SLURM_JOB_ID
has_workers() { listed=$(squeue -h --name="$array") || return 0; [ -n "$listed" ]; }
end_workers() { scancel --user="$(id -un)" --name="$array"; }

check_words "$@"
take_run
end_workers
start_head 0 0
( # without this job's SLURM_ variables, which srun and scontrol there would take for the worker's
    for name in $(env | sed -n 's/^\(SLURM_[A-Z0-9_]*\)=.*/\1/p'); do
        [ "$name" = SLURM_CONF ] || unset "$name"
    done
    # shellcheck disable=SC2086 # options are split at spaces
    exec sbatch ${GENRETUNE_WORKER_OPTIONS:-} --partition="$partition" --array="1-$workers" \
        --job-name="$array" --export=ALL "$here/slurm_worker.sh" "$address"
) || fail "sbatch: the worker jobs must be accepted by $partition, got the error above"
wait_for_nodes 2 # genretune checks at its start that a trial fits on a node
drive "$@"

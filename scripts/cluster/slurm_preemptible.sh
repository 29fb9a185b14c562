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
#       SPACE.yaml DATA RUN [option ...]
#
# Options are passed to genretune. The trials of a preempted worker continue from their checkpoints
# elsewhere. Slurm requeues the worker's job, and it joins again. Nodes of another machine class
# that join later are not used, unless --allow-mixed is given. RUN.job holds the id of the job that
# drives RUN: another job is refused while squeue lists that job, and takes over once it is gone.
# Limits: tested with fake Slurm commands, never on a real Slurm.
set -u
[ $# -ge 5 ] || { echo "usage: sbatch $0 WORKERS PARTITION SPACE.yaml DATA RUN [option ...]" >&2; exit 2; }
workers=$1 partition=$2 space=$3 data=$4 run=$5
shift 5

# Write this job's id into RUN.job. A driver on another host may be replaced only if it belonged to
# this job before a requeue, or to a job that no longer exists.
takeover=
mkdir -p "$(dirname "$run")"
until (set -C && echo "$SLURM_JOB_ID" >"$run.job") 2>/dev/null; do
    holder=$(cat "$run.job" 2>/dev/null)
    takeover=--takeover
    [ "$holder" != "$SLURM_JOB_ID" ] || break
    if [ -z "$holder" ]; then
        echo "$run.job: must hold a job's id, got nothing (is its folder writable?)" >&2
        exit 2
    fi
    listed=$(squeue -h -j "$holder" 2>&1) || case $listed in
        *"Invalid job id"*) listed= ;;
        *) listed="squeue failed: $listed" ;;
    esac
    if [ -n "$listed" ]; then
        echo "$run: in use by job $holder, got job $SLURM_JOB_ID (wait, or scancel $holder):" \
            "$listed" >&2
        exit 2
    fi
    # another job may have replaced the file since: put it back if it is not the one checked above
    mv "$run.job" "$run.job.$SLURM_JOB_ID" 2>/dev/null || continue
    [ "$(cat "$run.job.$SLURM_JOB_ID")" = "$holder" ] || mv "$run.job.$SLURM_JOB_ID" "$run.job"
    rm -f "$run.job.$SLURM_JOB_ID"
done

address=$(hostname -I | cut -d ' ' -f 1)
port=$((20000 + SLURM_JOB_ID % 20000))
ray start --head --node-ip-address="$address" --port="$port" --num-cpus=0 --block &
ray=$!
array=$(sbatch --parsable --partition="$partition" --array="1-$workers" --requeue --nodes=1 \
    --exclusive --time=1-00:00:00 --open-mode=append \
    --wrap="exec srun ray start --address=$address:$port --block")

finish() {
    scancel "$array"
    kill "$ray" 2>/dev/null
}
trap finish EXIT
driver=
trap '[ -z "$driver" ] || kill -USR1 "$driver"' USR1

# The first worker must have joined: genretune checks at its start that a trial fits on a node.
until ray status --address="$address:$port" 2>/dev/null | grep -q '/[1-9][0-9.]* CPU'; do
    kill -0 "$ray" 2>/dev/null || { echo "Ray's head did not start" >&2; exit 1; }
    sleep "${GENRETUNE_POLL:-5}"
done

if [ -e "$run/sweep.json" ]; then
    genretune resume "$run" --data "$data" $takeover --address "$address:$port" "$@" &
else
    genretune search "$space" --data "$data" --out "$run" --address "$address:$port" "$@" &
fi
driver=$!
while kill -0 "$driver" 2>/dev/null; do
    wait "$driver"
    code=$?
done
if [ "$code" -eq 75 ]; then
    scontrol requeue "$SLURM_JOB_ID"
else
    rm -f "$run.job"
fi
exit "$code"

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
#   sbatch --gpus-per-task=1 scripts/cluster/slurm.sh SPACE.yaml DATA RUN [option ...]
#
# Options are passed to genretune. DATA and RUN are on storage that all nodes share. Two minutes
# before the time limit Slurm sends USR1 to this shell, which forwards it to the driver: the driver
# completes its journal and exits with 75, the job is requeued, and its next start resumes. RUN.job
# holds the id of the job that drives RUN: another job is refused while squeue lists that job, and
# takes over once it is gone.
# Limits: tested with fake Slurm commands, never on a real Slurm. ray symmetric-run ends with
# "ray stop" on each node, so no other Ray of yours may run there.
set -u
[ $# -ge 3 ] || { echo "usage: sbatch $0 SPACE.yaml DATA RUN [option ...]" >&2; exit 2; }
space=$1 data=$2 run=$3
shift 3

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

head=$(scontrol show hostnames "$SLURM_JOB_NODELIST" | head -n 1)
port=$((20000 + SLURM_JOB_ID % 20000))
code_file=$run.exit-$SLURM_JOB_ID
rm -f "$code_file"

# Runs on the head node once all nodes have joined; after a requeue the run directory exists.
if [ -e "$run/sweep.json" ]; then
    set -- genretune resume "$run" --data "$data" $takeover --address auto "$@"
else
    set -- genretune search "$space" --data "$data" --out "$run" --address auto "$@"
fi

forward_signal() {
    pid=$(sed -n 's/.*"pid": *\([0-9][0-9]*\).*/\1/p' "$run/driver.json" 2>/dev/null)
    [ -z "$pid" ] || srun --overlap --nodes=1 --ntasks=1 --nodelist="$head" kill -USR1 "$pid"
}
trap forward_signal USR1

srun ray symmetric-run --address "$head:$port" --min-nodes "$SLURM_JOB_NUM_NODES" \
    --num-cpus "$SLURM_CPUS_PER_TASK" -- \
    sh -c 'file=$1; shift; "$@"; echo $? > "$file"' sh "$code_file" "$@" &
step=$!
while kill -0 "$step" 2>/dev/null; do
    wait "$step" # a trapped signal interrupts it, hence the loop
    steps_code=$?
done

code=$(cat "$code_file" 2>/dev/null || echo "$steps_code")
rm -f "$code_file"
if [ "$code" -eq 75 ]; then
    echo "requeued: the next start of this job resumes $run"
    scontrol requeue "$SLURM_JOB_ID"
else
    rm -f "$run.job"
fi
exit "$code"

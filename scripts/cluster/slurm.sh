#!/bin/sh
#SBATCH --job-name=genretune
#SBATCH --nodes=2
#SBATCH --ntasks-per-node=1
#SBATCH --cpus-per-task=8
#SBATCH --time=08:00:00
#SBATCH --signal=B:USR1@120
#SBATCH --requeue
#SBATCH --open-mode=append
# One Ray over all nodes of a Slurm job, for a sweep that outlives the job's time limit.
#
#   sbatch --gpus-per-task=1 scripts/cluster/slurm.sh SPACE.yaml DATA RUN [more for genretune]
#
# DATA and RUN lie on storage that every node sees. Two minutes before the limit Slurm sends USR1 to
# this shell, which passes it to the driver: it finishes its journal, exits with 75, and the job is
# requeued; the next one resumes. Start no second job on the same RUN: a job takes the place of a
# driver on another host, which it cannot tell from one that is gone.
# Limits: tested with stand-ins for srun and scontrol, never on a real Slurm. ray symmetric-run ends
# with "ray stop" on each node, so no other Ray of yours may run there.
set -u
[ $# -ge 3 ] || { echo "usage: sbatch $0 SPACE.yaml DATA RUN [option ...]" >&2; exit 2; }
space=$1 data=$2 run=$3
shift 3

head=$(scontrol show hostnames "$SLURM_JOB_NODELIST" | head -n 1)
port=$((20000 + SLURM_JOB_ID % 20000))
code_file=$run.exit-$SLURM_JOB_ID
rm -f "$code_file"

# What runs on the head node once all nodes have joined; after a requeue the run directory exists.
# A driver that was requeued away lies on another host, so this job may take its place.
if [ -e "$run/sweep.json" ]; then
    set -- genretune resume "$run" --data "$data" --takeover --address auto "$@"
else
    set -- genretune search "$space" --data "$data" --out "$run" --address auto "$@"
fi

pass_on() {
    pid=$(sed -n 's/.*"pid": *\([0-9][0-9]*\).*/\1/p' "$run/driver.json" 2>/dev/null)
    [ -z "$pid" ] || srun --overlap --nodes=1 --ntasks=1 --nodelist="$head" kill -USR1 "$pid"
}
trap pass_on USR1

srun ray symmetric-run --address "$head:$port" --min-nodes "$SLURM_JOB_NUM_NODES" \
    --num-cpus "$SLURM_CPUS_PER_TASK" -- \
    sh -c 'file=$1; shift; "$@"; echo $? > "$file"' sh "$code_file" "$@" &
step=$!
while kill -0 "$step" 2>/dev/null; do
    wait "$step" # a trapped signal ends it early
    steps_code=$?
done

code=$(cat "$code_file" 2>/dev/null || echo "$steps_code")
rm -f "$code_file"
if [ "$code" -eq 75 ]; then
    echo "requeued: $run goes on in the next job"
    scontrol requeue "$SLURM_JOB_ID"
fi
exit "$code"

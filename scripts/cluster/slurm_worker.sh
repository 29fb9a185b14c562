#!/bin/sh
#SBATCH --nodes=1
#SBATCH --exclusive
#SBATCH --time=1-00:00:00
#SBATCH --signal=B:USR1@60
#SBATCH --requeue
#SBATCH --open-mode=append
# One Ray node with what Slurm granted here: slurm_worker.sh HEAD:PORT. Started by slurm.sh as a
# step and by slurm_preemptible.sh as a job; the token comes by the environment. A job that reaches
# its time limit requeues itself, and joins again.
set -u
ray=
stop() { [ -z "$ray" ] || kill "$ray"; }
trap stop TERM # of a job, the shell alone gets it
trap 'scontrol requeue "$SLURM_JOB_ID"; stop' USR1
ray start --address="$1" --temp-dir="/tmp/ray-$(id -u)" --block \
    --num-cpus="${SLURM_CPUS_PER_TASK:-$SLURM_CPUS_ON_NODE}" \
    --num-gpus="${SLURM_GPUS_ON_NODE:-0}" &
ray=$!
while kill -0 "$ray" 2>/dev/null; do
    wait "$ray" # a trapped signal interrupts it, hence the loop
    code=$?
done
exit "$code"

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
ray='' stopped=''
stop() { stopped=1; [ -z "$ray" ] || kill "$ray" 2>/dev/null; }
trap stop TERM # of a job, the shell alone gets it
trap 'scontrol requeue "$SLURM_JOB_ID"; stop' USR1
# of its own: several workers may start on a node at the same moment, and other users' Rays be there
folder=$(mktemp -d /tmp/ray-XXXXXX)
for attempt in 1 2 3; do # Ray gives a node half a minute to start, which a slow disk may exceed
    ray start --address="$1" --temp-dir="$folder/ray" --block \
        --num-cpus="${SLURM_CPUS_PER_TASK:-$SLURM_CPUS_ON_NODE}" \
        --num-gpus="${SLURM_GPUS_ON_NODE:-0}" &
    ray=$!
    [ -z "$stopped" ] || kill "$ray" 2>/dev/null # it came before there was a process to stop
    while kill -0 "$ray" 2>/dev/null; do
        wait "$ray" # a trapped signal interrupts it, hence the loop
        code=$?
    done
    [ -z "$stopped" ] || break
    echo "attempt $attempt: Ray has ended with $code" >&2
done
[ -z "$stopped" ] || rm -rf "$folder" # else its logs may say why
exit "$code"

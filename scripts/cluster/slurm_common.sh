# What slurm.sh and slurm_preemptible.sh share; both source it, with $space, $data and $run set.
#
# GENRETUNE_ACTIVATE is one line that puts genretune and ray on PATH on every node, for example
#   a venv      . /shared/venv/bin/activate
#   conda       . /shared/miniforge3/etc/profile.d/conda.sh && conda activate genretune
#   modules     . /etc/profile.d/modules.sh && module load genretune
#   Apptainer   PATH=/shared/genretune/bin:$PATH
# where /shared/genretune/bin/ray and .../genretune are executable, both with these two lines:
#   #!/bin/sh
#   exec apptainer exec --nv /shared/genretune.sif "$(basename "$0")" "$@"
#
# Exit codes are the driver's; 1 if Ray does not start.

poll=${GENRETUNE_POLL:-5} # s
run=${run%/}
step='' ray='' ray_folder='' takeover='' driver='' near_limit='' cancelled='' caught=''

# USR1: the time limit is near. TERM: scancel, preemption or a requeue by somebody; Slurm sends it to
# this shell alone, and kills what is left KillWait seconds later.
trap 'near_limit=1 caught=1; signal_driver USR1' USR1
trap 'cancelled=1 caught=1; signal_driver TERM; end_workers' TERM

signal_driver() { [ -z "$driver" ] || kill -s "$1" "$driver" 2>/dev/null; }

eval "${GENRETUNE_ACTIVATE:-}" || { echo "GENRETUNE_ACTIVATE: must succeed, got the error above" >&2; exit 2; }
for program in genretune ray; do
    command -v "$program" >/dev/null || {
        echo "$program: must be on PATH, got none (set GENRETUNE_ACTIVATE, see slurm_common.sh)" >&2
        exit 2
    }
done
set -u # only now: the activation of conda does not bear it

# A token for this start alone. It reaches the other nodes by the environment, never by a command
# line, which everybody on a node can read.
RAY_AUTH_MODE=token
RAY_AUTH_TOKEN=$(od -An -N32 -tx1 /dev/urandom | tr -d ' \n')
[ ${#RAY_AUTH_TOKEN} -eq 64 ] || { echo "/dev/urandom: must give a token, got none" >&2; exit 1; }
export RAY_AUTH_MODE RAY_AUTH_TOKEN

fail() {
    echo "$*" >&2
    end 1
}

# End the job; before a driver has started, too.
end() {
    trap '' USR1 TERM
    end_workers
    # A limit that came before Python could handle its signal counts, too. After TERM, Slurm
    # itself requeues the job or does not.
    if [ -z "$cancelled" ] && { [ "$1" -eq 75 ] || { [ -n "$near_limit" ] && [ "$1" -gt 128 ]; }; }; then
        # at once, not after Ray's end: the limit is near
        if scontrol requeue "$SLURM_JOB_ID"; then
            echo "requeued: the next start of this job resumes $run"
        else
            echo "$run: not requeued (sbatch the same again to resume)" >&2
        fi
    elif ! has_dead_driver; then
        rm -f "$run.job"
    fi
    # the step of the other nodes ends with the job
    [ -z "$ray" ] || { kill "$ray" && wait "$ray"; } 2>/dev/null
    [ "$1" -eq 1 ] || rm -rf "$ray_folder" # its logs may say why
    exit "$1"
}

# Whether driver.json names a driver of this job, or of one that is gone, which did not get to take its
# name out: then RUN.job stays, as the proof that the driver may be replaced.
has_dead_driver() {
    grep -q '"pid": *[0-9]' "$run/driver.json" 2>/dev/null &&
        { [ -n "$takeover" ] || grep -q "\"host\": *\"$(uname -n)\"" "$run/driver.json"; }
}

# Refuse what would go wrong at a later start.
check_words() {
    before=
    for word in "$@"; do
        case $before$word in
            --trials+* | --trials=+*)
                echo "--trials: must be a total in a job, got ${word#*=} (every requeue would add it)" >&2
                exit 2
                ;;
        esac
        before=$word
    done
}

# Write this job's id into RUN.job. A driver on another host may be replaced only if it belonged to
# this job before a requeue, or to a job that no longer exists.
take_run() {
    folder=$(dirname "$run")
    mkdir -p "$folder"
    until (set -C && echo "$SLURM_JOB_ID" >"$run.job") 2>/dev/null; do
        [ -z "$near_limit$cancelled" ] || end 75
        holder=$(cat "$run.job" 2>/dev/null)
        [ "$holder" != "$SLURM_JOB_ID" ] || { takeover=--takeover; break; }
        if [ -z "$holder" ]; then
            [ -e "$run.job" ] || [ ! -w "$folder" ] || continue # removed since
            echo "$run.job: must hold a job's id, got nothing (is its folder writable?)" >&2
            exit 2
        fi
        listed=$(squeue -h -o '%T %j %u %M %R' -j "$holder" 2>&1) || case $listed in
            *"Invalid job id"*) listed= ;;
            *) listed="squeue failed: $listed" ;;
        esac
        case $listed in
            "") ;;
            COMPLETING*) # after a scancel, say
                sleep "$poll"
                continue
                ;;
            *)
                echo "$run: in use by job $holder, got job $SLURM_JOB_ID (wait, or scancel $holder):" \
                    "$listed" >&2
                exit 2
                ;;
        esac
        takeover=--takeover
        # another job may have replaced the file since: put it back if it is not the one checked above
        mv "$run.job" "$run.job.$SLURM_JOB_ID" 2>/dev/null || continue
        [ "$(cat "$run.job.$SLURM_JOB_ID")" = "$holder" ] || mv "$run.job.$SLURM_JOB_ID" "$run.job"
        rm -f "$run.job.$SLURM_JOB_ID"
    done
}

# Start Ray's head in this shell's step: start_head CPUS GPUS. Ports and folders are chosen so that
# several jobs, also of several users, can share a node.
start_head() {
    head=$(scontrol show hostnames "$SLURM_JOB_NODELIST" | head -n 1)
    # the address by which the other nodes know this one; Ray would take that of the default route
    ip=$(getent ahostsv4 "$head" | sed -n '/^127\./!{s/ .*//p;q;}')
    port=$((20000 + SLURM_JOB_ID % 12000)) # below the ports that the kernel gives away
    address=${ip:-$head}:$port
    ray_folder=$(mktemp -d /tmp/ray-XXXXXX) # short: sockets are in it
    # below it, since Ray lets everybody write to its own
    ray start --head --port="$port" ${ip:+"--node-ip-address=$ip"} --num-cpus="$1" --num-gpus="$2" \
        --temp-dir="$ray_folder/ray" --include-dashboard=false \
        --disable-usage-stats --block &
    ray=$!
    wait_for_nodes 1 300 || fail "$head: Ray's head must answer within 300 s" # a worker needs it
}

# Wait until Ray has that many nodes: wait_for_nodes NUMBER [SECONDS]; 1 if they do not join in time.
wait_for_nodes() {
    began=$(date +%s)
    while :; do
        [ -z "$near_limit$cancelled" ] || end 75
        nodes=$(ray status --address="$address" 2>/dev/null | grep -c '^ *1 node_')
        [ "$nodes" -lt "$1" ] || return 0
        kill -0 "$ray" 2>/dev/null || fail "$head: Ray's head did not start"
        [ "$1" -eq 1 ] || has_workers || fail "$head: another node must join Ray, got none that still tries"
        [ -z "${2:-}" ] || [ $(($(date +%s) - began)) -lt "$2" ] || return 1
        sleep "$poll"
    done
}

# Search or resume, with the words after RUN; then end the job with the driver's exit code.
drive() {
    if [ -e "$run/sweep.json" ]; then
        # without the overrides: words with a "=" that are neither options nor belong to one
        count=$# before=
        while [ "$count" -gt 0 ]; do
            case $before,$1 in
                ,[!-]*=*) ;;
                *) set -- "$@" "$1" ;;
            esac
            case $1 in
                --allow-mixed | --strict-exit | --accept-new-environment | --*=*) before= ;;
                --* | -W) before=$1 ;; # its value follows
                *) before= ;;
            esac
            shift
            count=$((count - 1))
        done
        # shellcheck disable=SC2086 # it may be nothing
        set -- resume "$run" --data "$data" $takeover --address "$address" "$@"
    else
        set -- search "$space" --data "$data" --out "$run" --address "$address" "$@"
    fi
    genretune "$@" &
    driver=$!
    # signals that came just before
    [ -z "$near_limit" ] || signal_driver USR1
    [ -z "$cancelled" ] || signal_driver TERM
    code=127
    while :; do
        caught=
        wait "$driver"
        got=$?
        [ "$got" -eq 127 ] || code=$got # 127: already waited for
        [ -n "$caught" ] || break       # a trapped signal interrupts wait
    done
    end "$code"
}

#!/bin/bash
#SBATCH --job-name=heterostem
#SBATCH --ntasks=32
#SBATCH --cpus-per-task=1
#SBATCH --mem-per-cpu=2G
#SBATCH --time=04:00:00
#SBATCH --output=heterostem-%j.log
#
# One corpus by one Dask scheduler and one worker for each task of the job but two.
#   sbatch scheduler-file.sh RECIPE OUT [options of heterostem generate]

set -euo pipefail
recipe=$1
out=$2
shift 2

# source /path/to/your/environment/bin/activate
export OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 MKL_NUM_THREADS=1 NUMBA_NUM_THREADS=1

mkdir -p "$out"
scheduler_file=$(realpath "$out")/scheduler-$SLURM_JOB_ID.json
trap 'kill $(jobs -p) 2>/dev/null || true; rm -f "$scheduler_file"' EXIT

srun --ntasks=1 --exact dask scheduler --scheduler-file "$scheduler_file" --no-dashboard --no-show &
for _ in $(seq 120); do
    [ -s "$scheduler_file" ] && break
    sleep 1
done
srun --ntasks=$((SLURM_NTASKS - 2)) --exact dask worker --scheduler-file "$scheduler_file" \
    --nworkers 1 --nthreads 1 --no-dashboard --death-timeout 120 \
    --local-directory "${TMPDIR:-/tmp}" &

heterostem generate "$recipe" --out "$out" --scheduler-file "$scheduler_file" "$@"

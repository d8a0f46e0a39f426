#!/bin/bash
#SBATCH --job-name=heterostem-part
#SBATCH --ntasks=1
#SBATCH --cpus-per-task=1
#SBATCH --mem=2G
#SBATCH --time=04:00:00
#SBATCH --output=heterostem-%A-%a.log
#
# One corpus by a job array without Dask: part K of N makes every N-th shard, or block of large images.
#   sbatch --array=1-16 job-array.sh RECIPE OUT [options of heterostem generate]

set -euo pipefail
recipe=$1
out=$2
shift 2

# source /path/to/your/environment/bin/activate
export OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 MKL_NUM_THREADS=1 NUMBA_NUM_THREADS=1

# The number of parts is the array's, also when only lost parts are submitted again (--array=3,7 with PARTS=16).
parts=${PARTS:-$SLURM_ARRAY_TASK_MAX}
heterostem generate "$recipe" --out "$out" --part "$SLURM_ARRAY_TASK_ID/$parts" "$@"

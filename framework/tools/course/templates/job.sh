#!/bin/bash
# A training on the cluster: sbatch job.sh
#SBATCH --job-name=$group
#SBATCH --time=01:00:00
#SBATCH --cpus-per-task=4
#SBATCH --mem=8G
#SBATCH --gres=gpu:1
#SBATCH --output=job-%j.log

source .venv/bin/activate
srun python train.py --epochs 20

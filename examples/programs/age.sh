#!/bin/sh
# Scores every label by the age of the patient, divided by 100. A program needs nothing but a shell.
set -eu
list() { sed -n "s/.*\"$1\": \"\(.*\)\".*/\1/p" "$REG_JOB"; }

# The columns of the training list behind the first six are the labels.
labels=$(head -n 1 "$(list train)" | cut -d, -f7-)
{
  echo "Image Index,$labels"
  tail -n +2 "$(list test)" | awk -F, -v labels="$labels" '{
    count = split(labels, names, ",")
    age = $4 > 100 ? 1 : $4 / 100
    printf "%s", $1
    for (i = 1; i <= count; i++) printf ",%.4f", age
    print ""
  }'
} > "$REG_OUT/scores.csv"

"""Metadata of the published form, drawn from a fixed seed, for benchmarks that need no images."""

import random

LABELS = "Atelectasis Cardiomegaly Consolidation Edema Effusion Hernia Mass Nodule Pneumonia".split()


def write(path, rows):
    """Writes a CSV of so many rows, four to a patient."""
    draw = random.Random(1)
    with open(path, "w", encoding="utf-8") as out:
        out.write("Image Index,Finding Labels,Follow-up #,Patient ID,Patient Age,Patient Gender,View Position,"
                  "OriginalImageWidth,OriginalImageHeight,OriginalImagePixelSpacing_x,OriginalImagePixelSpacing_y\n")
        for row in range(rows):
            patient, number = divmod(row, 4)
            found = "|".join(draw.sample(LABELS, draw.randint(0, 2))) or "No Finding"
            out.write(f"{patient + 1:08}_{number:03}.png,{found},{number},{patient + 1},{draw.randint(1, 95)},"
                      f"{draw.choice('MF')},{draw.choice(['PA', 'AP'])},2048,2500,0.143,0.143\n")

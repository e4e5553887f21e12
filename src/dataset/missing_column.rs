//! What is to be done about a column that a table lacks.

/// Maximum number of characters of a file's text in a message.
const SHOWN: usize = 80;
/// The column of the names of images.
const IMAGE_COLUMN: &str = "Image Index";
/// The columns without which metadata cannot be read.
const NEEDED: &str =
    "Image Index, Finding Labels, Follow-up #, Patient ID, Patient Age, Patient Gender and View Position";
/// Columns by which the metadata of other data sets is known: all of a line are in its header.
const OTHER_SETS: [(&str, &[&str]); 8] = [
    ("CheXpert", &["Path", "Sex", "Age", "Frontal/Lateral"]),
    ("CheXpert Plus", &["path_to_image", "deid_patient_id"]),
    ("MIMIC-CXR", &["dicom_id", "subject_id", "study_id"]),
    ("MIMIC-CXR", &["subject_id", "study_id"]),
    ("PadChest", &["ImageID", "StudyID", "PatientID"]),
    ("VinDr-CXR", &["image_id", "class_name", "rad_id"]),
    ("VinDr-CXR", &["image_id", "Aortic enlargement"]),
    ("the RSNA Pneumonia Detection Challenge", &["patientId", "Target"]),
];

/// How a file gets a column that it lacks.
pub(super) fn missing_column(column: &str, found: &[String]) -> String {
    /// What other tools call the column of the images, in lower case.
    const NAMES: [&str; 14] = [
        "image",
        "images",
        "img",
        "image_id",
        "image_name",
        "image index",
        "image_index",
        "imageindex",
        "filename",
        "file_name",
        "file",
        "path",
        "name",
        "id",
    ];
    let is_meant = |name: &&String| NAMES.contains(&name.to_lowercase().as_str());
    let has = |name: &&str| found.iter().any(|own| own == *name);
    if let Some((set, _)) = OTHER_SETS.iter().find(|(_, columns)| columns.iter().all(&has)) {
        return format!(
            "this is the metadata of {set}; only that of ChestX-ray14 is read, with the columns {NEEDED}"
        );
    }
    match found {
        [] | [_] => "the first line must be the header, with commas, semicolons or tabs between the columns"
            .to_owned(),
        [first, ..] if first.is_empty() && column == IMAGE_COLUMN => {
            format!("the first column has no name; if it has the names of the images, call it {column:?}")
        }
        _ => match found.iter().find(is_meant).filter(|_| column == IMAGE_COLUMN) {
            Some(meant) => format!("rename the column {} to {column:?}", quoted(meant)),
            None => format!("in the first line of the file, rename the right column to {column:?}"),
        },
    }
}

/// Text from a file, quoted, escaped and shortened to fit on a line.
pub(super) fn quoted(text: &str) -> String {
    match text.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{:?}…", &text[..end]),
        None => format!("{text:?}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_metadata_of_other_data_sets_is_called_so() {
        for (header, set) in [
            ("Path,Sex,Age,Frontal/Lateral,AP/PA,No Finding", "CheXpert"),
            ("dicom_id,subject_id,study_id,PerformedProcedureStepDescription,ViewPosition", "MIMIC-CXR"),
            ("subject_id,study_id,Atelectasis", "MIMIC-CXR"),
            (",ImageID,ImageDir,StudyDate_DICOM,StudyID,PatientID", "PadChest"),
            ("image_id,class_name,class_id,rad_id,x_min", "VinDr-CXR"),
            ("patientId,x,y,width,height,Target", "the RSNA Pneumonia Detection Challenge"),
        ] {
            let found: Vec<String> = header.split(',').map(str::to_owned).collect();
            let hint = missing_column(IMAGE_COLUMN, &found);
            assert!(hint.starts_with(&format!("this is the metadata of {set}; only")), "{hint}");
            assert!(hint.contains("Finding Labels"), "{hint}");
        }
        let own = ["Path", "label"].map(str::to_owned);
        assert_eq!(missing_column(IMAGE_COLUMN, &own), "rename the column \"Path\" to \"Image Index\"");
    }
}

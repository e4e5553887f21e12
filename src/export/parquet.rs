//! Sheets as Apache Parquet. The only file that uses the parquet crate.
//!
//! Columns are optional, so that undefined values are null. Nothing is compressed: the bytes depend only on the
//! values and the version of the crate, and hashes, which make up most of a manifest, cannot be compressed.

use std::collections::HashSet;
use std::sync::Arc;

use parquet::basic::{Compression, LogicalType, Repetition, Type as Physical};
use parquet::data_type::{BoolType, ByteArray, ByteArrayType, DataType, DoubleType, Int64Type};
use parquet::errors::Result;
use parquet::file::metadata::KeyValue;
use parquet::file::properties::WriterProperties;
use parquet::file::writer::{SerializedFileWriter, SerializedRowGroupWriter};
use parquet::schema::types::{ColumnPath, Type};

use super::sheet::{ColumnValues, Sheet, SheetColumn};

/// The sheet as the bytes of a Parquet file.
pub(super) fn write(sheet: &Sheet) -> Vec<u8> {
    in_memory(sheet).expect("memory takes every byte, and columns have the types of their values")
}

fn in_memory(sheet: &Sheet) -> Result<Vec<u8>> {
    let fields = sheet.columns.iter().map(field).collect::<Result<Vec<_>>>()?;
    let schema = Type::group_type_builder("reg").with_fields(fields).build()?;
    let about = sheet.about.iter().map(|(key, value)| KeyValue::new(key.clone(), value.clone())).collect();
    let mut properties = WriterProperties::builder()
        .set_compression(Compression::UNCOMPRESSED)
        .set_created_by(format!("reg {}", env!("CARGO_PKG_VERSION")))
        .set_key_value_metadata(Some(about));
    for column in sheet.columns.iter().filter(|column| !repeats(&column.values)) {
        let path = ColumnPath::new(vec![column.name.clone()]);
        properties = properties.set_column_dictionary_enabled(path, false);
    }
    let mut writer = SerializedFileWriter::new(Vec::new(), Arc::new(schema), Arc::new(properties.build()))?;
    let mut group = writer.next_row_group()?;
    for column in &sheet.columns {
        match &column.values {
            ColumnValues::Text(values) => {
                put::<ByteArrayType, _>(&mut group, values, |word| ByteArray::from(word.as_str()))?;
            }
            ColumnValues::Integer(values) => put::<Int64Type, _>(&mut group, values, |number| *number)?,
            ColumnValues::Number(values) => put::<DoubleType, _>(&mut group, values, |number| *number)?,
            ColumnValues::Truth(values) => put::<BoolType, _>(&mut group, values, |truth| *truth)?,
        }
    }
    group.close()?;
    writer.into_inner()
}

fn field(column: &SheetColumn) -> Result<Arc<Type>> {
    let (physical, logical) = match &column.values {
        ColumnValues::Text(_) => (Physical::BYTE_ARRAY, Some(LogicalType::String)),
        ColumnValues::Integer(_) => (Physical::INT64, None),
        ColumnValues::Number(_) => (Physical::DOUBLE, None),
        ColumnValues::Truth(_) => (Physical::BOOLEAN, None),
    };
    let field = Type::primitive_type_builder(&column.name, physical)
        .with_repetition(Repetition::OPTIONAL)
        .with_logical_type(logical);
    Ok(Arc::new(field.build()?))
}

/// Whether a dictionary saves space: it does not for names and hashes, which are all different.
fn repeats(values: &ColumnValues) -> bool {
    const LOOKED_AT: usize = 1000;
    match values {
        ColumnValues::Text(words) => {
            let few: Vec<_> = words.iter().take(LOOKED_AT).collect();
            let different: HashSet<_> = few.iter().collect();
            different.len() * 2 <= few.len()
        }
        ColumnValues::Integer(_) => true,
        ColumnValues::Number(_) | ColumnValues::Truth(_) => false,
    }
}

fn put<T: DataType, V>(
    group: &mut SerializedRowGroupWriter<'_, Vec<u8>>,
    values: &[Option<V>],
    convert: impl Fn(&V) -> T::T,
) -> Result<()> {
    let Some(mut column) = group.next_column()? else { return Ok(()) };
    let levels: Vec<i16> = values.iter().map(|value| i16::from(value.is_some())).collect();
    let defined: Vec<T::T> = values.iter().flatten().map(convert).collect();
    column.typed::<T>().write_batch(&defined, Some(&levels), None)?;
    column.close()
}

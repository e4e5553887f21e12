//! Good bytes for damaged objects, from a pack store.

use super::address::Remote;
use super::pack_store::PackStore;
use super::plan::TransferSource;
use super::{Address, RemoteError, TransferJob};
use crate::hash::Hash;
use crate::registry::Registry;

/// Repairs damaged or missing objects of a registry from a pack store, and returns those that were repaired; `None` if
/// there is no pack store at the address, such as in a folder of images.
///
/// # Errors
/// A pack store that cannot be read. Damage in it is none: it only has fewer objects.
pub fn repair(
    registry: &Registry,
    wanted: &[Hash],
    from: &Address,
    job: TransferJob<'_>,
) -> Result<Option<Vec<Hash>>, RemoteError> {
    let location = match from.open(registry) {
        Ok(Remote::PackStore { location, exists: true }) => location,
        Err(e @ (RemoteError::Older { .. } | RemoteError::Newer { .. })) => return Err(e),
        Ok(_) | Err(_) if matches!(from, Address::Folder(_)) => return Ok(None),
        Ok(_) => return Err(from.nothing()),
        Err(e) => return Err(e),
    };
    let store = PackStore::open(&*location, from, true, None, job)?;
    let batch = registry.store().batch()?;
    let mut repaired = Vec::new();
    for id in wanted.iter().filter(|id| store.has(id)) {
        job.go_on()?;
        match whole(&store, id) {
            Ok(bytes) => {
                batch.put_anew(*id, &bytes)?;
                repaired.push(*id);
            }
            Err(RemoteError::Damaged { .. } | RemoteError::Garbled { .. }) => {}
            Err(e) => return Err(e),
        }
    }
    batch.persist()?;
    Ok(Some(repaired))
}

/// A complete object, whose hash was checked.
fn whole(store: &PackStore<'_>, id: &Hash) -> Result<Vec<u8>, RemoteError> {
    let mut whole = Vec::new();
    if store.is_alone(id) {
        // It may be longer than what is read at once.
        let mut next = store.pieces(id)?;
        while let Some(piece) = next()? {
            whole.extend(piece);
        }
        return Ok(whole);
    }
    let found = std::sync::Mutex::new(whole);
    store.read_each(&[*id], &|_, bytes| {
        found.lock().expect("no thread panics while it holds this lock").extend(bytes);
        Ok(())
    })?;
    Ok(found.into_inner().expect("no thread panics while it holds this lock"))
}

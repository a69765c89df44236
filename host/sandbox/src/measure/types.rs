//! The walk through definitions of types, which nest in one another within one section.
//!
//! The library's own reader recurses into types of instances and components, and reads a group of types whole. So those are
//! taken apart here, and only what can't nest is left to it.

use wasmparser::{
    BinaryReader, ComponentAlias, ComponentExternName, ComponentImport, ComponentType, ComponentTypeRef, CoreType,
    FromReader, ModuleTypeDeclaration, RecGroup,
};

use super::{AdmissionError, DEPTH, TYPES, Walk, at_most, unreadable};

/// The first bytes of definitions and declarations, as `Binary.md` of the component model and the core specification have
/// them.
const COMPONENT_TYPE: u8 = 0x41;
const INSTANCE_TYPE: u8 = 0x42;
const MODULE_TYPE: u8 = 0x50;
const GROUP_OF_TYPES: u8 = 0x4e;

impl<'a> Walk<'a> {
    /// A section of a component's types.
    pub(super) fn take_component_types(&mut self, start: usize, end: usize, count: u32) -> Result<(), AdmissionError> {
        let mut reader = self.reader(start, end);
        // How many definitions or declarations are still to come, on each level.
        let mut open = vec![count];
        while let Some(left) = open.last_mut() {
            let Some(rest) = left.checked_sub(1) else {
                open.pop();
                continue;
            };
            *left = rest;
            self.take_types(1)?;
            if open.len() > 1 && !self.take_declaration(&mut reader)? {
                continue;
            }
            match self.peek(&reader) {
                Some(COMPONENT_TYPE | INSTANCE_TYPE) => {
                    reader.read_u8().map_err(unreadable)?;
                    open.push(reader.read_var_u32().map_err(unreadable)?);
                    if open.len() > DEPTH {
                        return Err(AdmissionError::TooDeep { what: "types", most: DEPTH });
                    }
                }
                _ => skip::<ComponentType<'_>>(&mut reader)?,
            }
        }
        Ok(())
    }

    /// A section of a component's core types.
    pub(super) fn take_core_types_of_component(
        &mut self,
        start: usize,
        end: usize,
        count: u32,
    ) -> Result<(), AdmissionError> {
        let mut reader = self.reader(start, end);
        (0..count).try_for_each(|_| self.take_core_type(&mut reader))
    }

    /// A section of a module's types.
    pub(super) fn take_core_types(&mut self, start: usize, end: usize, count: u32) -> Result<(), AdmissionError> {
        let mut reader = self.reader(start, end);
        (0..count).try_for_each(|_| self.take_group(&mut reader))
    }

    /// A declaration in a type of an instance or a component; true where the definition of a type follows.
    fn take_declaration(&mut self, reader: &mut BinaryReader<'a>) -> Result<bool, AdmissionError> {
        match reader.read_u8().map_err(unreadable)? {
            0x00 => self.take_core_type(reader)?,
            0x01 => return Ok(true),
            0x02 => skip::<ComponentAlias<'_>>(reader)?,
            0x03 => skip::<ComponentImport<'_>>(reader)?,
            0x04 => {
                skip::<ComponentExternName<'_>>(reader)?;
                skip::<ComponentTypeRef>(reader)?;
            }
            kind => {
                let reason = format!("there is no declaration of the kind {kind:#x} in a type");
                return Err(AdmissionError::NotAComponent { reason });
            }
        }
        Ok(false)
    }

    /// A core type of a component: the type of a module, or a group as modules have them.
    fn take_core_type(&mut self, reader: &mut BinaryReader<'a>) -> Result<(), AdmissionError> {
        if self.peek(reader) != Some(MODULE_TYPE) {
            self.take_types(1)?;
            // One that is no group holds no other.
            return if self.peek(reader) == Some(GROUP_OF_TYPES) {
                self.take_group(reader)
            } else {
                skip::<CoreType<'_>>(reader)
            };
        }
        reader.read_u8().map_err(unreadable)?;
        for _ in 0..reader.read_var_u32().map_err(unreadable)? {
            if self.peek(reader) == Some(0x01) {
                reader.read_u8().map_err(unreadable)?;
                self.take_group(reader)?;
            } else {
                self.take_types(1)?;
                skip::<ModuleTypeDeclaration<'_>>(reader)?;
            }
        }
        Ok(())
    }

    /// A group of types that refer to one another, or one type by itself.
    fn take_group(&mut self, reader: &mut BinaryReader<'a>) -> Result<(), AdmissionError> {
        let types = if self.peek(reader) == Some(GROUP_OF_TYPES) {
            let mut ahead = reader.clone();
            ahead.read_u8().map_err(unreadable)?;
            ahead.read_var_u32().map_err(unreadable)?
        } else {
            0
        };
        // Empty groups count, too.
        self.take_types(types.saturating_add(1))?;
        skip::<RecGroup>(reader)
    }

    fn take_types(&mut self, count: u32) -> Result<(), AdmissionError> {
        self.types = self.types.saturating_add(count.into());
        at_most("types and declarations in them", self.types, TYPES)
    }

    fn reader(&self, start: usize, end: usize) -> BinaryReader<'a> {
        BinaryReader::new(self.bytes.get(start..end).unwrap_or_default(), start)
    }

    /// The next byte, which is not taken.
    fn peek(&self, reader: &BinaryReader<'_>) -> Option<u8> {
        self.bytes.get(reader.original_position()).copied()
    }
}

fn skip<'a, T: FromReader<'a>>(reader: &mut BinaryReader<'a>) -> Result<(), AdmissionError> {
    reader.read::<T>().map(drop).map_err(unreadable)
}

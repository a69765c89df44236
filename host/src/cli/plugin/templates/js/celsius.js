// Twelve bits, in sixteenths of a degree. The chip measures from -55 to 150 °C.
export const celsiusOf = (bytes) => {
  if (bytes.length !== 2) return undefined;
  const celsius = (new DataView(bytes.buffer, bytes.byteOffset).getInt16(0) >> 4) / 16;
  return celsius >= -55 && celsius <= 150 ? celsius : undefined;
};

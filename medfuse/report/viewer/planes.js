// Between a picture and the voxels behind it. A voxel is [z, y, x], as the arrays are stored.

export class PlaneMap {
  constructor(plane, size) {
    this.plane = plane;
    this.shape = [size[2], size[1], size[0]];
    this.strides = [size[1] * size[0], size[0], 1];
    this.height = this.shape[plane.rows];
    this.width = this.shape[plane.columns];
    this.depth = this.shape[plane.across];
  }

  // The voxel under a pixel of the picture of the slice that goes through `voxel`.
  voxelAt(row, column, voxel) {
    const { plane } = this;
    const found = [...voxel];
    found[plane.rows] = plane.rowsFlipped ? this.height - 1 - row : row;
    found[plane.columns] = plane.columnsFlipped ? this.width - 1 - column : column;
    return found;
  }

  pixelOf(voxel) {
    const { plane } = this;
    const row = voxel[plane.rows];
    const column = voxel[plane.columns];
    return [
      plane.rowsFlipped ? this.height - 1 - row : row,
      plane.columnsFlipped ? this.width - 1 - column : column,
    ];
  }

  // Calls `put(pixel, offset)` for each pixel of the slice through `voxel`.
  walk(voxel, put) {
    const { plane, strides } = this;
    const down = (plane.rowsFlipped ? -1 : 1) * strides[plane.rows];
    const right = (plane.columnsFlipped ? -1 : 1) * strides[plane.columns];
    let start = voxel[plane.across] * strides[plane.across];
    if (plane.rowsFlipped) start += (this.height - 1) * strides[plane.rows];
    if (plane.columnsFlipped) start += (this.width - 1) * strides[plane.columns];
    let pixel = 0;
    for (let row = 0; row < this.height; row++) {
      let offset = start + row * down;
      for (let column = 0; column < this.width; column++, offset += right) put(pixel++, offset);
    }
  }
}

export function offsetOf(voxel, size) {
  return (voxel[0] * size[1] + voxel[1]) * size[0] + voxel[2];
}

// Millimetres (left, posterior, superior) of a voxel.
export function patientPoint(voxel, affine) {
  const [z, y, x] = voxel;
  return [0, 1, 2].map((i) => affine[i][0] * x + affine[i][1] * y + affine[i][2] * z + affine[i][3]);
}

import { createServer } from 'node:http';
import { load } from 'tenon';

const model = await load('glyphs.safetensors'); // as quickstart.mjs saved it

const server = createServer(async (request, response) => {
  try {
    const chunks = [];
    for await (const chunk of request) chunks.push(chunk);
    const probabilities = await model.predict(new Uint8Array(Buffer.concat(chunks))); // raw pixels, H W C
    response.end(JSON.stringify([...probabilities]));
  } catch (error) {
    response.writeHead(error.code === 'ERR_TENON_SHAPE' ? 400 : 500).end(error.message);
  }
});
server.listen(process.env.PORT ?? 8080, () => console.log(`listening on ${server.address().port}`));

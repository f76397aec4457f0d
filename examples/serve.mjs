import { createServer } from 'node:http';
import { data, load } from 'tenon';

const model = await load('glyphs.safetensors'); // as quickstart.mjs saved it

const server = createServer(async (request, response) => {
  try {
    const chunks = [];
    for await (const chunk of request) chunks.push(chunk);
    const pixels = await data.decode(Buffer.concat(chunks), model); // a JPEG, PNG or WebP of any size
    const probabilities = await model.predict(pixels);
    response.end(JSON.stringify([...probabilities]));
  } catch (error) {
    response.writeHead(error.code === 'ERR_TENON_FORMAT' ? 400 : 500).end(error.message);
  }
});
server.listen(process.env.PORT ?? 8080, () => console.log(`listening on ${server.address().port}`));
